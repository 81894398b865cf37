import { bounds } from '../../streams/bounds';
import type { PublicJob } from '../wire/public-job';
import { preEncoded, type Encoded } from './socket-io-internals';

/** A value as it is sent, encoded once for all readers of sockets and event streams. */
interface Written {
  readonly json: string;
  /** Bytes of the JSON in UTF-8. */
  readonly bytes: number;
  /** The `job:state` event, made when the first socket gets it. */
  packet: Encoded | undefined;
}

/** One WeakMap for all fields, because V8 goes through each WeakMap at every garbage collection. */
const known = new WeakMap<object, Written>();

/** Encodes a value once; it must not change afterwards. */
function written(value: object): Written {
  const before = known.get(value);
  if (before !== undefined) return before;
  const json = JSON.stringify(value);
  const made = { json, bytes: Buffer.byteLength(json), packet: undefined };
  known.set(value, made);
  return made;
}

export const jsonOf = (value: object): string => written(value).json;

/** How many bytes the value has as JSON in UTF-8. */
export const bytesOf = (value: object): number => written(value).bytes;

/**
 * Makes the first states public with `shown`, as many as have `bounds.answerBytes` of JSON together, at least one. Of
 * the others only the first is made public and encoded.
 */
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
 * A `job:state` event as Socket.IO's text and as a WebSocket frame, both made once for all sockets; each `emit` would
 * make them again. Socket.IO's adapter does the same when it sends to a room, but it does not hold states back for slow
 * readers.
 */
export function encodedState(job: PublicJob): Encoded {
  const made = written(job);
  return (made.packet ??= packetOf(made.json));
}

/** A `job:state` event that asks for an acknowledgement under `id`, which is one socket's own: its JSON is made once for all. */
export const encodedEnd = (job: PublicJob, id: number): Encoded => packetOf(written(job).json, String(id));

function packetOf(json: string, ackId = ''): Encoded {
  // 2 marks an event of Socket.IO, 4 a message of engine.io.
  const text = `2${ackId}["job:state",${json}]`;
  return { text, options: preEncoded(frameOf(`4${text}`)) };
}

/** An unfragmented, unmasked text frame, as servers send it (RFC 6455, 5.2). */
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
