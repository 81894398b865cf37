import { bounds } from '../../streams/bounds';
import type { PublicJob } from '../wire/public-job';
import { preEncoded, type Encoded } from './socket-io-internals';

/** A value as it is sent, made once for all readers, of sockets and of event streams. */
interface Written {
  readonly json: string;
  /** Bytes of that in UTF-8. */
  readonly bytes: number;
  /** As a `job:state` event, once a socket gets it. */
  packet: Encoded | undefined;
}

/** One map, not one a field: V8 looks through such maps in each collection. */
const known = new WeakMap<object, Written>();

/** The value must not change. */
function written(value: object): Written {
  const before = known.get(value);
  if (before !== undefined) return before;
  const json = JSON.stringify(value);
  const made = { json, bytes: Buffer.byteLength(json), packet: undefined };
  known.set(value, made);
  return made;
}

export const jsonOf = (value: object): string => written(value).json;

/** How many bytes of UTF-8 that JSON has. */
export const bytesOf = (value: object): number => written(value).bytes;

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
  const made = written(job);
  return (made.packet ??= packetOf(made.json));
}

function packetOf(json: string): Encoded {
  // 2 is an event of Socket.IO; in the frame, 4 is a message of engine.io.
  const text = `2["job:state",${json}]`;
  return { text, options: preEncoded(frameOf(`4${text}`)) };
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
