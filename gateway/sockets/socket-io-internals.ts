import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { Log } from '../server/log';
import type { Socket } from 'socket.io';
import { version } from '../cli/version';

/*
 * All undocumented parts of Socket.IO and engine.io that the gateway uses. `package.json` pins socket.io, but that
 * accepts any engine.io 6.6: an installation may have another one than the tests.
 */

type Peer = Pick<Socket, 'conn'>;

/** The undocumented parts of a socket, any of which may be missing. */
interface Parts {
  readonly acks?: unknown;
  readonly conn: {
    readonly transport?: { readonly writable?: unknown; _canSendPreEncodedFrame?(packet: object): boolean };
    readonly write?: unknown;
  };
}

/** Options of engine.io's `write` with a message's whole WebSocket frame, which `ws` sends as it is. */
export interface PreEncoded {
  readonly compress: false;
  readonly wsPreEncodedFrame: readonly Buffer[];
}
export const preEncoded = (frame: Buffer): PreEncoded => ({ compress: false, wsPreEncodedFrame: [frame] });
const NO_FRAME = preEncoded(Buffer.alloc(0));

/** A packet, encoded as the text that engine.io's socket takes, and as a frame. */
export interface Encoded {
  readonly text: string;
  readonly options: PreEncoded;
}

/**
 * Writes packets without Socket.IO's encoder; returns `false` if it cannot. Their frames are joined and written at
 * once, because each write costs a system call. An engine.io without pre-encoded frames encodes the texts.
 */
export function writeTogether({ conn }: Peer, packets: readonly Encoded[]): boolean {
  if (typeof conn.write !== 'function') return false;
  if (packets.length > 1 && takesFrames(conn)) conn.write('', joined(packets));
  else for (const { text, options } of packets) conn.write(text, options);
  return true;
}

/** Socket.IO counts its own acknowledgements from 0, those of a namespace together. */
const FIRST_ACK_ID = 1_000_000_000;
let acksAsked = 0;

/**
 * Writes a packet that asks for an acknowledgement, without Socket.IO's encoder; returns `false` if it cannot. Calls
 * `told` with whether the client acknowledged it within `ms`.
 */
export function writeAcknowledged(
  socket: Peer,
  encoded: (ackId: number) => Encoded,
  ms: number,
  told: (heard: boolean) => void,
): boolean {
  const { acks }: Parts = socket;
  const id = FIRST_ACK_ID + acksAsked++;
  if (!(acks instanceof Map) || !writeTogether(socket, [encoded(id)])) return false;
  const late = setTimeout(() => {
    acks.delete(id);
    told(false);
  }, ms);
  acks.set(id, () => {
    clearTimeout(late);
    told(true);
  });
  return true;
}

const joined = (packets: readonly Encoded[]): PreEncoded =>
  preEncoded(Buffer.concat(packets.flatMap(({ options }) => options.wsPreEncodedFrame)));

const takesFrames = ({ transport }: Parts['conn']): boolean =>
  transport?._canSendPreEncodedFrame?.({ options: NO_FRAME }) === true;

/** Whether all that was written has been handed to the network. */
export const isDrained = ({ conn }: Peer): boolean => conn.transport.writable;

export const onDrained = ({ conn }: Peer, hear: () => void): void => void conn.transport.on('ready', hear);

/** Calls all pending acknowledgements: their timers would else keep a closed socket and the jobs' states in memory. */
export function forgetAcks(socket: Peer): void {
  const { acks }: Parts = socket;
  if (acks instanceof Map) for (const acknowledge of (acks as Map<number, () => void>).values()) acknowledge();
}

/** Replaces a socket's request by an object with the parts that are still needed. */
export function replaceRequest({ conn }: Peer, request: object): void {
  if (isReplaceable(conn)) Object.assign(conn, { request });
}
const isReplaceable = (conn: object): boolean => Object.getOwnPropertyDescriptor(conn, 'request')?.writable === true;

/** The one part without which sockets cannot be served: what waits for a slow reader would never leave. */
const NEEDED = 'conn.transport.writable';

/** The names of the undocumented parts that a socket lacks. */
function missingIn(socket: Peer): readonly string[] {
  const { acks, conn }: Parts = socket;
  const isThere = {
    [NEEDED]: typeof conn.transport?.writable === 'boolean',
    acks: acks instanceof Map,
    'conn.request': isReplaceable(conn),
    'conn.write': typeof conn.write === 'function',
    wsPreEncodedFrame: takesFrames(conn),
  };
  return Object.entries(isThere).flatMap(([name, is]) => (is ? [] : [name]));
}

/**
 * Checks the first socket for the undocumented parts, logs once which are missing, and returns whether sockets can be
 * served.
 */
export function internalsCheck(logger: Pick<Log, 'error'>): (socket: Peer) => boolean {
  let missing: readonly string[] | undefined;
  return (socket) => {
    if (missing === undefined) {
      missing = missingIn(socket);
      if (missing.length > 0) logger.error({ missing, ...versions() }, missing.includes(NEEDED) ? REFUSED : DEARER);
    }
    return !missing.includes(NEEDED);
  };
}
const REFUSED = 'this Socket.IO lacks private parts: sockets cannot be served, and each is disconnected';
const DEARER = 'this Socket.IO lacks private parts: sockets are served without, which costs more';

/** The installed versions; of engine.io the one that socket.io loads. */
function versions(): Readonly<Record<string, string>> {
  try {
    const socketIo = createRequire(__filename).resolve('socket.io');
    const engineIo = createRequire(socketIo).resolve('engine.io');
    return { 'socket.io': version(dirname(socketIo)), 'engine.io': version(dirname(engineIo)) };
  } catch {
    return { 'socket.io': 'not found', 'engine.io': 'not found' };
  }
}
