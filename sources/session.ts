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
import { ABNORMAL, sessionSockets, type SocketListener } from './telemetry/socket-listener';
import { throttledReport } from './telemetry/throttled-report';

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
export function webSocketSession(session: SessionOptions): Session {
  const { address, clientId, clock, report, timing = defaultSocketTiming, listener } = session;
  const url = `${address.url.replace(/^http/, 'ws')}/ws?clientId=${encodeURIComponent(clientId)}`;
  const options = socketOptions(address, timing);
  const sparing = throttledReport(report, clock);
  const sockets = sessionSockets(listener);
  const origin = (): FrameOrigin => ({ clientId, serverUrl: address.url, at: clock.now() });

  const connect: Session['connect'] = (reopen$, stop$) =>
    new Observable<BoardEvent>((subscriber) => {
      const socket = new WebSocket(url, options);
      let opened = false;
      let asked: 'reopen' | 'stop' | undefined;
      let cause: Error | undefined;
      const pulse = pinging(socket, clock, timing);
      const life = sockets.start();

      socket.on('open', () => {
        opened = true;
        life.opened();
        // Must be the first message, or previews come without the job they belong to.
        socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
        subscriber.next({ tag: 'linked', clientId, at: clock.now() });
      });
      socket.on('message', (data, isBinary) => {
        if (!isBinary && (data as Buffer).length > bounds.lastFrameBytes) {
          cause = new MalformedFrame(`longer than ${bounds.lastFrameBytes} bytes`);
          sparing('frame', cause);
          socket.terminate();
          return;
        }
        for (const event of events(data as Buffer, isBinary, origin(), sparing, listener)) subscriber.next(event);
      });
      socket.on('error', (error) => {
        cause = error;
      });
      socket.on('close', (code) => {
        life.closed(code, asked);
        if (opened) subscriber.next({ tag: 'unlinked', clientId, at: clock.now(), clean: code !== ABNORMAL });
        if (asked === 'stop') subscriber.complete();
        else subscriber.error(socketClosed(code, cause, asked === 'reopen'));
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
        life.closed(ABNORMAL, 'stop');
        abandon(socket);
      };
    });

  return { clientId, serverUrl: address.url, inherited: false, mayOpen: () => true, end$: NEVER, connect };
}

const socketClosed = (code: number, cause: Error | undefined, requested: boolean): SocketClosed =>
  new SocketClosed(cause?.message ?? `closed with code ${code}`, requested, { cause });

/** Closes a socket of which nothing more is to be heard. */
function abandon(socket: WebSocket): void {
  socket.removeAllListeners();
  // Closing a socket that is still connecting emits an error.
  socket.on('error', () => undefined);
  socket.close(1000);
}

const socketOptions = (
  { headers }: ServerAddress,
  { handshakeMs, closeMs }: SocketTiming,
): ClientOptions & { readonly closeTimeout: number } => ({
  ...{ headers, handshakeTimeout: handshakeMs, closeTimeout: closeMs },
  ...{ maxPayload: MAX_FRAME, perMessageDeflate: false },
  // A frame of 20 MiB would be looked through once more; what is no UTF-8 is no JSON either.
  skipUTF8Validation: true,
});

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
function events(
  message: Buffer,
  isBinary: boolean,
  origin: FrameOrigin,
  report: Report,
  listener?: SocketListener,
): readonly BoardEvent[] {
  const { clientId, at } = origin;
  const told = decoded(message, isBinary, origin, report);
  listener?.frame();
  if (told[0]?.tag === 'garbled') listener?.badFrame();
  return [{ tag: 'heard', clientId, at }, ...told];
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
