import { Transform, type TransformCallback } from 'node:stream';
import { pipeline as flow } from 'node:stream/promises';
import type { Response } from 'express';
import type { OutputBody } from '../../../pipeline/api';
import type { Turn } from './downloads';
import { slice, type Sent } from './ranges';

export interface SendingLimits {
  readonly bytes: number;
  /** How long a reader may read nothing, or ComfyUI send nothing. */
  readonly stallMs: number;
}

/**
 * Sends what is wanted of an open output. A body that breaks off has sent its head already: the connection breaks too, so
 * that nobody takes the part for the whole. A reader that stalls is cut.
 */
export async function send(
  response: Response,
  { body, part }: OutputBody,
  wanted: Sent,
  { bytes, stallMs }: SendingLimits,
  turn: Turn,
): Promise<void> {
  response.once('close', () => body.destroy());
  if (response.destroyed) return void body.destroy();
  // Node looks at what the kernel took of a long write, so that a slow reader is none that stalls.
  response.setTimeout(stallMs, () => response.destroy());
  const source = wanted.tag === 'part' && !part ? slice(body, wanted.first, wanted.last) : body;
  await flow(source, counting(bytes, turn), response).catch(() => response.destroy());
}

const counting = (limitBytes: number, turn: Turn): Transform => {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      turn.progressed();
      passed += chunk.length;
      if (passed > limitBytes) done(new Error(`over ${limitBytes} bytes`));
      else done(null, chunk);
    },
  });
};
