import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { NEVER, Observable, interval, type SchedulerLike, type Subscription } from 'rxjs';
import WebSocket, { type ClientOptions } from 'ws';
import { bounds } from '../streams/bounds';
import type { BoardEvent } from '../streams/board/board';
import type { Session } from '../streams/changes/job-changes';
import type { Report } from '../streams/operators/reporting';
import { decodeBinaryFrame } from './codecs/binary-frame.codec';
import { frameEvents, type FrameOrigin } from './codecs/frame-events';
import { MalformedFrame, decodeFrame } from './codecs/frame.codec';
import type { ServerAddress } from './server-address';
import { throttledReport } from './throttled-report';

/** The socket is gone, or never was. `requested` where we closed it to open it anew. */
export class SocketClosed extends Error {
  override readonly name = 'SocketClosed';
  constructor(
    message: string,
    readonly requested: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface SocketTiming {
  /** Between pings: proxies cut idle sockets. */
  readonly pingMs: number;
  /** Without any sign of life for so long, a socket is cut: a node may hold Python's lock for a minute. */
  readonly silentMs: number;
  /** For the opening handshake. Giving up early would leave a socket behind that evicts its successor. */
  readonly handshakeMs: number;
  /** For the closing handshake, before the socket is cut. */
  readonly closeMs: number;
}

export const defaultSocketTiming: SocketTiming = {
  pingMs: 20_000,
  silentMs: 80_000,
  handshakeMs: 75_000,
  closeMs: 5_000,
};

/** Larger frames are no ComfyUI frames: they end the socket. Pictures of SaveImageWebsocket have some MB. */
const MAX_FRAME = bounds.binaryFrameBytes;

/** How a socket ended: never opened, cut off, closed by the server, by us because it was deaf, or for good. */
export type SocketEnd = 'refused' | 'cut_off' | 'closed' | 'deaf' | 'stopped';

/** Told of a session's sockets, as they come and go and at each of their frames. */
export interface SocketListener {
  /** So many ms after the session's socket before it ended; `undefined` for its first. */
  readonly opened: (gapMs: number | undefined) => void;
  readonly ended: (end: SocketEnd, wasOpen: boolean) => void;
  readonly frame: () => void;
  /** It could not be read, and was dropped. */
  readonly badFrame: () => void;
}

export interface SessionOptions {
  readonly address: ServerAddress;
  /** Kept across reconnects, since a job's frames go to the client that posted it and to nobody else. */
  readonly clientId: string;
  readonly clock: SchedulerLike;
  readonly report: Report;
  readonly timing?: SocketTiming;
  readonly listener?: SocketListener;
}

/** A session over `ws`: every frame of the jobs posted under its `clientId`. Malformed frames are reported and dropped (R9). */
export function webSocketSession({
  address,
  clientId,
  clock,
  report,
  timing = defaultSocketTiming,
  listener,
}: SessionOptions): Session {
  const url = `${address.url.replace(/^http/, 'ws')}/ws?clientId=${encodeURIComponent(clientId)}`;
  const options: ClientOptions & { readonly closeTimeout: number } = {
    headers: address.headers,
    handshakeTimeout: timing.handshakeMs,
    closeTimeout: timing.closeMs,
    maxPayload: MAX_FRAME,
    perMessageDeflate: false,
  };
  const throttled = throttledReport(report, clock);
  const sparing: Report = (where, error) => {
    listener?.badFrame();
    throttled(where, error);
  };
  let endedAt: number | undefined;
  const origin = (): FrameOrigin => ({ clientId, serverUrl: address.url, at: clock.now() });

  const connect: Session['connect'] = (reopen$, stop$) =>
    new Observable<BoardEvent>((subscriber) => {
      const socket = new WebSocket(url, options);
      let opened = false;
      let asked: 'reopen' | 'stop' | undefined;
      let cause: Error | undefined;
      const pulse = pinging(socket, clock, timing);
      const ended = (end: SocketEnd): void => {
        if (opened) endedAt = performance.now();
        listener?.ended(end, opened);
      };

      socket.on('open', () => {
        opened = true;
        listener?.opened(endedAt === undefined ? undefined : performance.now() - endedAt);
        // Must be the first message, or previews come without the job they belong to.
        socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
        subscriber.next({ tag: 'linked', clientId, at: clock.now() });
      });
      socket.on('message', (data, isBinary) => {
        listener?.frame();
        for (const event of events(data as Buffer, isBinary, origin(), sparing)) subscriber.next(event);
      });
      socket.on('error', (error) => {
        cause = error;
      });
      socket.on('close', (code) => {
        ended(endOf(code, opened, asked));
        if (opened) subscriber.next({ tag: 'unlinked', clientId, at: clock.now(), clean: code !== ABNORMAL });
        if (asked === 'stop') subscriber.complete();
        else
          subscriber.error(
            new SocketClosed(cause?.message ?? `closed with code ${code}`, asked === 'reopen', { cause }),
          );
      });
      pulse.add(reopen$.subscribe(() => close('reopen')));
      pulse.add(stop$.subscribe(() => close('stop')));

      function close(why: 'reopen' | 'stop'): void {
        if (asked === 'stop') return;
        asked = why;
        socket.close(1000);
      }
      return () => {
        pulse.unsubscribe();
        if (socket.listenerCount('close') > 0 && socket.readyState !== WebSocket.CLOSED) ended('stopped');
        socket.removeAllListeners();
        // Closing a socket that is still connecting emits an error.
        socket.on('error', () => undefined);
        socket.close(1000);
      };
    });

  return { clientId, serverUrl: address.url, inherited: false, mayOpen: () => true, end$: NEVER, connect };
}

/** `ws` for "cut off": no closing handshake took place. */
const ABNORMAL = 1006;

function endOf(code: number, opened: boolean, asked: 'reopen' | 'stop' | undefined): SocketEnd {
  if (asked !== undefined) return asked === 'stop' ? 'stopped' : 'deaf';
  return !opened ? 'refused' : code === ABNORMAL ? 'cut_off' : 'closed';
}

/** Pings, and cuts a socket that has shown no sign of life for too long. */
function pinging(socket: WebSocket, clock: SchedulerLike, { pingMs, silentMs }: SocketTiming): Subscription {
  let aliveAt = clock.now();
  const alive = (): void => {
    aliveAt = clock.now();
  };
  for (const sign of ['open', 'message', 'pong', 'ping'] as const) socket.on(sign, alive);
  return interval(pingMs, clock).subscribe(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (clock.now() - aliveAt >= silentMs) socket.terminate();
    else socket.ping();
  });
}

/** What one message tells the board; first of all, that one came. */
function events(message: Buffer, isBinary: boolean, origin: FrameOrigin, report: Report): readonly BoardEvent[] {
  const { clientId, at } = origin;
  return [{ tag: 'heard', clientId, at }, ...decoded(message, isBinary, origin, report)];
}

/** What one message says: through the codecs and nothing else. */
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
  // Not read at all: whatever it says, it says for too long.
  if (message.length > most) return malformed(new MalformedFrame(`longer than ${most} bytes`));
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
