import { bounds } from '../../streams/bounds';
import type { PublicJob } from '../wire/public-job';
import { preEncoded, type PreEncoded } from './socket-io-internals';

/** A packet as engine.io's socket takes it. */
export interface Encoded {
  readonly text: string;
  readonly options: PreEncoded;
}

const known = new WeakMap<PublicJob, Encoded>();
const texts = new WeakMap<object, string>();
const sizes = new WeakMap<object, number>();

/** A value as JSON, written once for all readers, of sockets and of event streams; it must not change. */
export function jsonOf(value: object): string {
  const text = texts.get(value) ?? JSON.stringify(value);
  texts.set(value, text);
  return text;
}

/** How many bytes of UTF-8 that JSON has, counted once for all readers. */
export function bytesOf(value: object): number {
  const bytes = sizes.get(value) ?? Buffer.byteLength(jsonOf(value));
  sizes.set(value, bytes);
  return bytes;
}

/** The first of these states as they are shown, as many as fit into an answer: one at least. Those that do not fit are neither made nor written as JSON. */
export function fitting<S, J extends object>(
  states: Iterable<S>,
  shown: (state: S) => J,
): { readonly jobs: readonly J[]; readonly bytes: number } {
  const jobs: J[] = [];
  let bytes = 0;
  for (const state of states) {
    const job = shown(state);
    const more = bytes + bytesOf(job);
    if (more > bounds.answerBytes && jobs.length > 0) break;
    bytes = more;
    jobs.push(job);
  }
  return { jobs, bytes };
}

/**
 * A `job:state` event as Socket.IO writes it, and as a WebSocket frame: encoded once for all who get it, where each `emit`
 * would do both again. So does Socket.IO's own adapter when it tells a room, but it knows no slow readers.
 */
export function encodedState(job: PublicJob): Encoded {
  const before = known.get(job);
  if (before !== undefined) return before;
  // 2 is an event of Socket.IO; in the frame, 4 is a message of engine.io.
  const text = `2["job:state",${jsonOf(job)}]`;
  const encoded: Encoded = { text, options: preEncoded(frameOf(`4${text}`)) };
  known.set(job, encoded);
  return encoded;
}

/** One text frame, whole and unmasked, as servers send them (RFC 6455, 5.2). */
function frameOf(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const headBytes = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + bytes);
  frame[0] = 0x81;
  frame[1] = bytes < 126 ? bytes : bytes < 65_536 ? 126 : 127;
  if (headBytes === 4) frame.writeUInt16BE(bytes, 2);
  if (headBytes === 10) frame.writeBigUInt64BE(BigInt(bytes), 2);
  frame.write(text, headBytes);
  return frame;
}
