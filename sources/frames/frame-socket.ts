import { connect as tcp, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { connect as tls, type ConnectionOptions } from 'node:tls';
import WebSocket, { type ClientOptions } from 'ws';
import { bounds } from '../../streams/bounds';
import { mayBeOvertakable } from './frame-head';
import { frameSplitter, type FrameSplitter } from './frame-splitter';
import type { NewestFrames } from './newest-frames';

export interface FrameSocketOptions {
  /** Takes all text frames. */
  readonly texts: NewestFrames;
  readonly onBinary: (frame: Buffer) => void;
  /** Called when bytes came. */
  readonly onRead: () => void;
  /** Called when `bounds.turnBytes` came in one turn of the event loop: the socket pauses until the next. */
  readonly onFull: () => void;
}

/**
 * A WebSocket of `ws`. Frames that newer ones may overtake are taken off its connection before `ws` makes messages of
 * them.
 */
export function frameSocket(url: string, options: ClientOptions, uses: FrameSocketOptions): WebSocket {
  const { texts, onBinary, onRead, onFull } = uses;
  const splitterTo = (pass: (bytes: Buffer) => void): FrameSplitter =>
    frameSplitter({
      mostBytes: bounds.splitFrameBytes,
      isOvertakable: mayBeOvertakable,
      take: texts.take,
      settle: texts.settle,
      pass,
    });
  const createConnection = splitConnection(url.startsWith('wss:'), splitterTo, (bytes) => {
    onRead();
    slice(bytes);
  });
  const socket = new WebSocket(url, { ...options, createConnection });
  const slice = inSlices(socket, onFull);
  socket.on('message', (data, isBinary) => {
    const frame = data as Buffer;
    if (isBinary) onBinary(frame);
    // A longer text frame ends its session.
    else if (frame.length <= bounds.lastFrameBytes) texts.takeAlone(frame);
  });
  return socket;
}

/**
 * A connection that reads into one buffer over and over. `ws` gets the bytes that the splitter passes on, as if it had
 * read them.
 */
const splitConnection = (
  isSecure: boolean,
  splitterTo: (pass: (bytes: Buffer) => void) => FrameSplitter,
  onRead: (bytes: number) => void,
): NonNullable<ClientOptions['createConnection']> =>
  ((given: NetConnectOpts & ConnectionOptions): Socket => {
    const splitter = splitterTo((bytes) => void socket.emit('data', bytes));
    const onread = {
      buffer: () => splitter.space(),
      callback: (bytes: number) => {
        onRead(bytes);
        splitter.put(bytes);
        return true;
      },
    };
    // `ws` gives the path of the URL, which `net` would take for the path of a Unix socket.
    const options = { ...given, path: undefined, onread };
    const { host = '', servername = isIP(host) === 0 ? host : '' } = given as ConnectionOptions;
    const socket: Socket = isSecure
      ? tls({ ...options, servername } as unknown as ConnectionOptions)
      : tcp(options as unknown as NetConnectOpts);
    return socket;
  }) as unknown as NonNullable<ClientOptions['createConnection']>;

/**
 * Pauses a socket that brought `bounds.turnBytes` in one turn of the event loop until the next, so that timers and
 * other sockets have their turn.
 */
function inSlices(socket: WebSocket, onFull: () => void): (bytes: number) => void {
  let brought = 0;
  const next = (): void => {
    brought = 0;
    if (socket.isPaused) socket.resume();
  };
  return (bytes) => {
    if (brought === 0) setImmediate(next);
    brought += bytes;
    if (brought < bounds.turnBytes || socket.isPaused) return;
    socket.pause();
    onFull();
  };
}
