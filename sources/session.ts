import { isUtf8 } from 'node:buffer';
import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { Observable, interval, timer, type SchedulerLike, type Subscription } from 'rxjs';
import WebSocket, { type ClientOptions } from 'ws';
import { bounds } from '../streams/bounds';
import type { BoardEvent } from '../streams/board/board';
import type { SessionSockets } from '../streams/changes/job-changes';
import { interimAnswers } from '../streams/operators/interim-answers';
import type { Report } from '../streams/operators/reporting';
import { decodeBinaryFrame } from './codecs/binary-frame.codec';
import { frameEvents, type FrameOrigin } from './codecs/frame-events';
import { MalformedFrame, decodeFrame } from './codecs/frame.codec';
import { frameSocket } from './frames/frame-socket';
import { newestFrames, type NewestFrames } from './frames/newest-frames';
import { readingTime, type ReadingTime } from './frames/reading-time';
import type { ServerAddress } from './server-address';
import { ABNORMAL, sessionSockets, type SocketListener } from './telemetry/socket-listener';
import { throttledReport } from './telemetry/throttled-report';

/** The socket closed, or never opened. `requested`: we closed it to open it anew. */
export class SocketClosed extends Error {
  override readonly name = 'SocketClosed';
  constructor(
    message: string,
    readonly requested: boolean,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The time limits of a socket to ComfyUI, ms. */
export interface SocketTiming {
  /** Between pings: proxies cut idle sockets. */
  readonly pingMs: number;
  /** A socket without any sign of life for this long is cut: a node may hold Python's lock for a minute. */
  readonly silentMs: number;
  /** For the opening handshake. Giving up early would leave a socket behind that evicts its successor. */
  readonly handshakeMs: number;
  /** For the closing handshake, before the socket is cut. */
  readonly closeMs: number;
  /**
   * The same if the session ends here: short, as its next holder waits for it, and finds by itself (R7) whether ComfyUI
   * dropped the new socket when it noticed that this one was cut.
   */
  readonly stopMs: number;
}

export const defaultSocketTiming: SocketTiming = {
  pingMs: 20_000,
  silentMs: 80_000,
  handshakeMs: 75_000,
  closeMs: 5_000,
  stopMs: 500,
};

/** Larger frames are no ComfyUI frames: they end the socket. Pictures of SaveImageWebsocket have some MB. */
const MAX_FRAME = bounds.binaryFrameBytes;

export interface SessionOptions {
  readonly address: ServerAddress;
  /** Kept across reconnects, since a job's frames go to the client that posted it and to nobody else. */
  readonly clientId: string;
  readonly clock: SchedulerLike;
  readonly report: Report;
  readonly timing?: SocketTiming;
  /** Shared by all sessions of an instance. */
  readonly time?: ReadingTime;
  readonly listener?: SocketListener;
}

/**
 * A session over `ws`: every frame of the jobs posted under its `clientId`. Reports and drops malformed frames (R9).
 */
export function webSocketSession(options: SessionOptions): SessionSockets {
  const { address, clientId, timing = defaultSocketTiming } = options;
  const sparing = throttledReport(options.report, options.clock);
  const sockets = sessionSockets(options.listener);
  const connect: SessionSockets['connect'] = (reopen$, stop$) =>
    new Observable<BoardEvent>((subscriber) => {
      let opened = false;
      let asked: 'reopen' | 'stop' | undefined;
      let cause: Error | undefined;
      const { socket, texts, pulse } = openSocket({ ...options, report: sparing }, (event) => subscriber.next(event));
      const at = (): number => options.clock.now();
      const life = sockets.start();

      socket.on('open', () => {
        opened = true;
        life.opened();
        // Must be the first message, or previews come without the job they belong to.
        socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
        subscriber.next({ tag: 'linked', clientId, at: at() });
      });
      socket.on('message', (data, isBinary) => {
        if (isBinary || (data as Buffer).length <= bounds.lastFrameBytes) return;
        cause = new MalformedFrame(`longer than ${bounds.lastFrameBytes} bytes`);
        options.listener?.badFrame();
        sparing('frame', cause);
        socket.terminate();
      });
      socket.on('error', (error) => {
        cause = error;
      });
      socket.on('close', (code) => {
        texts.flush();
        life.closed(code, asked);
        if (opened) subscriber.next({ tag: 'unlinked', clientId, at: at(), clean: code !== ABNORMAL });
        if (asked === 'stop') subscriber.complete();
        else subscriber.error(socketClosed(code, cause, asked === 'reopen'));
      });
      pulse.add(reopen$.subscribe(() => close('reopen')));
      pulse.add(stop$.subscribe(() => close('stop')));

      function close(why: 'reopen' | 'stop'): void {
        if (asked === 'stop') return;
        asked = why;
        socket.close(1000);
        if (why === 'stop') pulse.add(timer(timing.stopMs, options.clock).subscribe(() => socket.terminate()));
      }
      return () => {
        pulse.unsubscribe();
        texts.close();
        life.closed(ABNORMAL, 'stop');
        abandon(socket);
      };
    });

  return { clientId, serverUrl: address.url, connect };
}

const socketClosed = (code: number, cause: Error | undefined, requested: boolean): SocketClosed =>
  new SocketClosed(cause?.message ?? `closed with code ${code}`, requested, { cause });

/** Closes a socket, and listens to it no more. */
function abandon(socket: WebSocket): void {
  socket.removeAllListeners();
  // Closing a socket that is still connecting emits an error.
  socket.on('error', () => undefined);
  socket.close(1000);
}

/** Opens a socket. `next` gets the events of its frames, and before them, once a millisecond at most, `heard`. */
function openSocket(
  { address, clientId, clock, report, timing = defaultSocketTiming, time = readingTime(), listener }: SessionOptions,
  next: (event: BoardEvent) => void,
): { readonly socket: WebSocket; readonly texts: NewestFrames; readonly pulse: Subscription } {
  let heardAt = Number.NEGATIVE_INFINITY;
  let aliveAt = clock.now();
  const tell = (events: readonly BoardEvent[]): void => {
    const at = clock.now();
    if (at !== heardAt) next({ tag: 'heard', clientId, at });
    heardAt = at;
    events.forEach(next);
  };
  const read = (frame: Buffer, isBinary: boolean): readonly BoardEvent[] => {
    const events = decoded(frame, isBinary, { clientId, serverUrl: address.url, at: clock.now() }, report);
    listener?.frame();
    if (events[0]?.tag === 'garbled') listener?.badFrame();
    return events;
  };
  const texts = newestFrames({ read: (frame) => read(frame, false), tell, clock, time });
  const url = `${address.url.replace(/^http/, 'ws')}/ws?clientId=${encodeURIComponent(clientId)}`;
  const socket = frameSocket(url, socketOptions(address, timing), {
    texts,
    onBinary: (frame) => {
      tell(read(frame, true));
    },
    onRead: () => {
      aliveAt = clock.now();
    },
    onFull: () => {
      time.press(clock.now());
    },
  });
  return { socket, texts, pulse: pinging(socket, () => aliveAt, clock, timing) };
}

const socketOptions = (
  { headers }: ServerAddress,
  { handshakeMs, closeMs }: SocketTiming,
): ClientOptions & { readonly closeTimeout: number } => ({
  headers,
  handshakeTimeout: handshakeMs,
  closeTimeout: closeMs,
  maxPayload: MAX_FRAME,
  perMessageDeflate: false,
  // `decoded` checks it: here a frame of 20 MiB would be gone through once more.
  skipUTF8Validation: true,
  finishRequest: (request) => {
    const count = interimAnswers();
    request.on('information', () => {
      try {
        count();
      } catch (error) {
        request.destroy(error as Error);
      }
    });
    request.end();
  },
});

/** Pings, and cuts a socket that has shown no sign of life for too long. */
function pinging(
  socket: WebSocket,
  aliveAt: () => number,
  clock: SchedulerLike,
  { pingMs, silentMs }: SocketTiming,
): Subscription {
  return interval(pingMs, clock).subscribe(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (clock.now() - aliveAt() >= silentMs) socket.terminate();
    else socket.ping();
  });
}

/** The events of one message, by the codecs alone. A malformed one is reported and gives `garbled`. */
export function decoded(
  message: Buffer,
  isBinary: boolean,
  origin: FrameOrigin,
  report: Report,
): readonly BoardEvent[] {
  const { clientId, at } = origin;
  const malformed = (error: MalformedFrame): readonly BoardEvent[] => {
    report('frame', error);
    return [{ tag: 'garbled', clientId, at }];
  };
  const most = isBinary ? bounds.binaryFrameBytes : bounds.frameBytes;
  // Too long: it is not even parsed.
  if (message.length > most) return malformed(new MalformedFrame(`longer than ${most} bytes`));
  if (!isBinary && !isUtf8(message)) return malformed(new MalformedFrame('no UTF-8'));
  return isBinary
    ? pipe(
        decodeBinaryFrame(message),
        E.match(malformed, (preview) =>
          preview === undefined ? [] : [{ tag: 'previewed', clientId, at, ...preview }],
        ),
      )
    : pipe(
        decodeFrame(message.toString()),
        E.match(malformed, (frame) => (frame === undefined ? [] : frameEvents(frame, origin))),
      );
}
