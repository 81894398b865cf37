import { io, type Socket } from 'socket.io-client';
import { Observable, Subscription, timer, type Subscriber } from 'rxjs';
import type { ClientEvents, ServerEvents } from '../wire/protocol';
import { diagnosis } from './diagnosis';
import { JobstreamError } from './jobstream-error';
import type { Place } from './place';

/** A socket to a gateway. */
export type Link = Socket<ServerEvents, ClientEvents>;

/** A token, or where to get one. */
export type Token = string | (() => string | Promise<string>);

/** The token as it is now; rejects with `no-token` where its function fails. */
export const tokenFrom = async (token: Token | undefined): Promise<string | undefined> => {
  try {
    return await (typeof token === 'function' ? token() : token);
  } catch (cause) {
    throw new JobstreamError('no-token', 'The token could not be had.', { cause });
  }
};

/** How the connection is: `idle` while nobody watches, `unauthorized` once the gateway refused the token. */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'unauthorized' | 'closed';

/** How the connection is, since when, and what keeps it from being better. It is tried again all the same. */
export interface Connection {
  readonly status: Status;
  /** When that status began, ms since 1970. */
  readonly since: number;
  /** Why the last try failed; absent while none did. */
  readonly reason?: JobstreamError;
}

/** Which gateway, and as whom. */
export interface LinkOptions {
  /** Where the gateway is; the path, if any, is the one it stands under. */
  readonly url: string;
  /** Asked for anew before each connection, where it is a function. */
  readonly token?: Token;
}

/** Between two connections, where Socket.IO leaves it to us; twice as long after each that was refused. */
const RETRY_MS = { first: 1_000, most: 15_000 };

type Tell = (status: Status, reason?: JobstreamError) => void;

/**
 * One socket that reconnects for as long as it is subscribed to: itself whenever it is connected, `undefined` whenever it
 * is lost. Errors with `unauthorized`; a token that comes from a function is asked for once more before that.
 */
export const link = (place: Place, token: Token | undefined, tell: Tell): Observable<Link | undefined> =>
  new Observable((out) => {
    const connection = new ReconnectingSocket(place, token, tell, out);
    connection.open();
    return () => connection.close();
  });

/** The options under which a socket to a gateway connects; we call `connect` ourselves. */
const socketTo = (place: Place, authenticate: (answer: (fields: object) => void) => void): Link =>
  io(place.origin, {
    path: place.path,
    // The gateway offers nothing else.
    transports: ['websocket'],
    forceNew: true,
    autoConnect: false,
    timeout: 10_000,
    reconnectionDelay: 500,
    reconnectionDelayMax: 10_000,
    auth: authenticate,
  });

class ReconnectingSocket {
  readonly #place: Place;
  readonly #token: Token | undefined;
  readonly #tell: Tell;
  readonly #out: Subscriber<Link | undefined>;
  readonly #socket: Link;
  readonly #retrying = new Subscription();
  #status: 'connecting' | 'reconnecting' = 'connecting';
  /** Grows with each connection that is tried: a token that comes later than the next try is of no use. */
  #attempt = 0;
  /** Connections refused since the last that opened. */
  #refusals = 0;
  /** Whether the gateway refused the newest token; the next refusal is the last. */
  #isTokenRefused = false;
  #isDiagnosing = false;
  #isOver = false;

  constructor(place: Place, token: Token | undefined, tell: Tell, out: Subscriber<Link | undefined>) {
    this.#place = place;
    this.#token = token;
    this.#tell = tell;
    this.#out = out;
    this.#socket = socketTo(place, (answer) => void this.#authenticate(answer));
  }

  open(): void {
    // Every state is acknowledged, also where nobody listens any more.
    this.#socket.on('job:state', (_job, seen) => seen?.());
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('disconnect', () => this.#disconnected());
    this.#socket.on('connect_error', (error) => this.#refused(error));
    this.#tell(this.#status);
    this.#socket.connect();
  }

  close(): void {
    this.#attempt += 1;
    this.#retrying.unsubscribe();
    this.#socket.off();
    this.#socket.disconnect();
    if (!this.#isOver) this.#tell('idle');
  }

  async #authenticate(answer: (fields: object) => void): Promise<void> {
    const mine = (this.#attempt += 1);
    try {
      const given = await tokenFrom(this.#token);
      if (mine === this.#attempt) answer(given === undefined ? {} : { token: given });
    } catch (error) {
      // A fetch that failed after the next try began, or after the end, says nothing of how the connection is now.
      if (mine !== this.#attempt) return;
      this.#tell(this.#status, error as JobstreamError);
      // Socket.IO would wait for the token forever: closing its connection makes it open another, later and later.
      this.#socket.io.engine.close();
    }
  }

  #connected(): void {
    this.#attempt += 1;
    this.#isTokenRefused = false;
    this.#refusals = 0;
    this.#tell('connected');
    this.#out.next(this.#socket);
  }

  #disconnected(): void {
    this.#status = 'reconnecting';
    this.#tell(this.#status);
    this.#out.next(undefined);
    this.#connectAgain();
  }

  #refused(error: Error): void {
    if (isUnauthorized(error)) {
      if (this.#isTokenRefused || typeof this.#token !== 'function') {
        this.#unauthorized(error);
        return;
      }
      this.#isTokenRefused = true;
    }
    this.#explain(error);
    this.#connectAgain();
    this.#refusals += 1;
  }

  #unauthorized(cause: Error): void {
    this.#isOver = true;
    const reason = new JobstreamError('unauthorized', 'The gateway does not take this token.', { cause });
    this.#tell('unauthorized', reason);
    this.#out.error(reason);
  }

  /** A browser does not say why a socket failed to open: the gateway is asked over HTTP, once at a time. */
  #explain(error: Error): void {
    const code = codeOf(error);
    if (code !== undefined) {
      this.#tell(this.#status, new JobstreamError(code, error.message, { cause: error }));
      return;
    }
    if (this.#isDiagnosing) return;
    this.#isDiagnosing = true;
    void diagnosis(this.#place, error).then((reason) => {
      this.#isDiagnosing = false;
      if (!this.#socket.connected && !this.#retrying.closed) this.#tell(this.#status, reason);
    });
  }

  /** Connects again where Socket.IO does not by itself: after the gateway refused or closed. */
  #connectAgain(): void {
    if (this.#socket.active) return;
    const waitMs = Math.min(RETRY_MS.first * 2 ** this.#refusals, RETRY_MS.most);
    this.#retrying.add(timer(waitMs * (0.5 + Math.random())).subscribe(() => this.#socket.connect()));
  }
}

/** The gateway's own word, where it was one. */
const codeOf = (error: Error): string | undefined => {
  const code = (error as { readonly data?: { readonly code?: unknown } }).data?.code;
  return typeof code === 'string' ? code : undefined;
};

const isUnauthorized = (error: Error): boolean => codeOf(error) === 'unauthorized';
