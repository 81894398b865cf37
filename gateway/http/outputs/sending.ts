import { Transform, type TransformCallback } from 'node:stream';
import { pipeline as flow } from 'node:stream/promises';
import type { Response } from 'express';
import type { OutputBody } from '../../../pipeline/api';
import type { Turn } from './downloads';
import { slice, type Sent } from './ranges';

export interface SendingLimits {
  /** Most bytes of one output. */
  readonly bytes: number;
  /** How long a reader may read nothing, or ComfyUI send nothing, ms. */
  readonly stallMs: number;
}

/**
 * Sends what is wanted of an open output. If the body breaks off, or has not as many bytes as its headers told, those
 * have been sent already: the connection is destroyed, so that the reader does not take the part for the whole, nor
 * what is too much for the next answer. A reader that reads nothing for `stallMs` is cut.
 */
export async function send(
  response: Response,
  { body, part, length }: OutputBody,
  wanted: Sent,
  { bytes, stallMs }: SendingLimits,
  turn: Turn,
): Promise<void> {
  response.once('close', () => body.destroy());
  if (response.destroyed) return void body.destroy();
  // When the time-out fires, Node checks whether the kernel took bytes of a long write: a slow reader does not count as
  // stalled.
  response.setTimeout(stallMs, () => response.destroy());
  const source = wanted.tag === 'part' && !part ? slice(body, wanted.first, wanted.last) : body;
  const told = wanted.tag === 'part' ? wanted.last + 1 - wanted.first : length;
  await flow(source, counting(bytes, told, turn), response).catch(() => response.destroy());
}

const counting = (limitBytes: number, told: number | undefined, turn: Turn): Transform => {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      turn.progressed();
      passed += chunk.length;
      // The bytes that are too many are not sent: Node does not hold a body to its `Content-Length`.
      if (passed > Math.min(limitBytes, told ?? Infinity)) done(new Error('more bytes than there may be'));
      else done(null, chunk);
    },
    flush: (done: TransformCallback) => done(passed < (told ?? 0) ? new Error('fewer bytes than were told') : null),
  });
};
