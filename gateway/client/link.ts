import { io, type Socket } from 'socket.io-client';
import { Observable, Subscription, timer, type Subscriber } from 'rxjs';
import type { ClientEvents, ServerEvents } from '../wire/protocol';
import { diagnosis } from './diagnosis';
import { JobstreamError } from './jobstream-error';
import type { Place } from './place';

/** A socket to a gateway. */
export type Link = Socket<ServerEvents, ClientEvents>;

/** A token, or a function that fetches one. */
export type Token = string | (() => string | Promise<string>);

/** The present token; rejects with a `JobstreamError` with the code `no-token` if its function fails. */
export const tokenFrom = async (token: Token | undefined): Promise<string | undefined> => {
  try {
    return await (typeof token === 'function' ? token() : token);
  } catch (cause) {
    throw new JobstreamError('no-token', 'The token could not be had.', { cause });
  }
};

/** The state of the connection: `idle` while nothing is watched, `unauthorized` once the gateway refused the token. */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'unauthorized' | 'closed';

/**
 * The connection's status, since when, and why the last try failed. The client tries again, except after
 * `unauthorized`.
 */
export interface Connection {
  readonly status: Status;
  /** When that status began, ms since 1970. */
  readonly since: number;
  /** Why the last try to connect failed; absent before one did, and while connected. */
  readonly reason?: JobstreamError;
}

/** The gateway's URL, and the caller's token. */
export interface LinkOptions {
  /** The gateway's URL, with the path it is served under, if any; in a page the path alone will do. */
  readonly url: string;
  /** A function is called before each connection, so that tokens may be short-lived. */
  readonly token?: Token;
}

/** Waits before our own reconnections, which Socket.IO does not make; doubled after each refusal. */
const RETRY_MS = { first: 1_000, most: 15_000 };

type Tell = (status: Status, reason?: JobstreamError) => void;

/**
 * One socket, which reconnects while it is subscribed to. Emits the socket when it has connected, and `undefined` when
 * the connection is lost. Errors with `unauthorized` when the gateway refuses the token; one from a function when it is
 * refused twice.
 */
export const link = (place: Place, token: Token | undefined, tell: Tell): Observable<Link | undefined> =>
  new Observable((out) => {
    const connection = new ReconnectingSocket(place, token, tell, out);
    connection.open();
    return () => connection.close();
  });

/** A socket to a gateway that is not connected yet. */
const socketTo = (place: Place, authenticate: (answer: (fields: object) => void) => void): Link =>
  io(place.origin, {
    path: place.path,
    // The gateway offers no other transport.
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
  /** Grows with each try to connect: a token that arrives after the next try began is dropped. */
  #attempt = 0;
  /** Refused tries since the last connection. */
  #refusals = 0;
  /** Whether the gateway refused a token since the last connection; the next such refusal is final. */
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
    // Acknowledge every state, also of jobs that nobody listens to any more: else the gateway sends ends again.
    this.#socket.on('job:state', (_job, seen) => typeof seen === 'function' && seen());
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
      // A token function that fails after the next try began, or after the end, says nothing about the present try.
      if (mine !== this.#attempt) return;
      this.#tell(this.#status, error as JobstreamError);
      // Socket.IO would wait for the token forever. Closing its connection makes it reconnect, with growing delays.
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

  /**
   * Tells why the last try failed: the gateway's refusal, or else what `/livez` shows, because a browser does not say why
   * a socket failed to open. One such request at a time.
   */
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

  /** Reconnects where Socket.IO does not: after the gateway refused or closed the connection. */
  #connectAgain(): void {
    if (this.#socket.active) return;
    const waitMs = Math.min(RETRY_MS.first * 2 ** this.#refusals, RETRY_MS.most);
    this.#retrying.add(timer(waitMs * (0.5 + Math.random())).subscribe(() => this.#socket.connect()));
  }
}

/** The code of a refusal by the gateway; `undefined` for any other error. */
const codeOf = (error: Error): string | undefined => {
  const code = (error as { readonly data?: { readonly code?: unknown } }).data?.code;
  return typeof code === 'string' ? code : undefined;
};

const isUnauthorized = (error: Error): boolean => codeOf(error) === 'unauthorized';
