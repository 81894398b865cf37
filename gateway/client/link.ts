import { io, type Socket } from 'socket.io-client';
import { Observable, Subscription, timer } from 'rxjs';
import type { ClientEvents, ServerEvents } from '../wire/protocol';
import { diagnosis } from './diagnosis';
import { JobstreamError } from './jobstream-error';
import type { Place } from './place';

/** A socket to a gateway. */
export type Link = Socket<ServerEvents, ClientEvents>;

/** A token, or where to get one. */
export type Token = string | (() => string | Promise<string>);

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

/**
 * One socket that reconnects for as long as it is subscribed to: itself whenever it is connected, `undefined` whenever it
 * is lost. Errors with `unauthorized`; a token that comes from a function is asked for once more before that.
 */
export const link = (
  place: Place,
  token: Token | undefined,
  tell: (status: Status, reason?: JobstreamError) => void,
): Observable<Link | undefined> =>
  new Observable((out) => {
    const retrying = new Subscription();
    let attempt = 0;
    let refusals = 0;
    let refused = false;
    let explaining = false;
    let final = false;
    let status: 'connecting' | 'reconnecting' = 'connecting';
    const socket: Link = io(place.origin, {
      path: place.path,
      // The gateway offers nothing else.
      transports: ['websocket'],
      forceNew: true,
      autoConnect: false,
      timeout: 10_000,
      reconnectionDelay: 500,
      reconnectionDelayMax: 10_000,
      auth: (answer) => void authenticate(answer),
    });

    async function authenticate(answer: (fields: object) => void): Promise<void> {
      const mine = (attempt += 1);
      try {
        const given = await (typeof token === 'function' ? token() : token);
        if (mine === attempt) answer(given === undefined ? {} : { token: given });
      } catch (cause) {
        tell(status, new JobstreamError('no-token', 'The token could not be had.', { cause }));
        // A connection that lost its purpose: Socket.IO opens another, later and later.
        if (mine === attempt) socket.io.engine.close();
      }
    }
    /** What a browser says of a socket that does not open is nothing: the gateway is asked, once in a while. */
    const explain = (error: Error): void => {
      const code = codeOf(error);
      if (code !== undefined) {
        tell(status, new JobstreamError(code, error.message, { cause: error }));
        return;
      }
      if (explaining) return;
      explaining = true;
      void diagnosis(place, error).then((reason) => {
        explaining = false;
        if (!socket.connected && !retrying.closed) tell(status, reason);
      });
    };
    const connectAgain = (): void => {
      if (socket.active) return;
      const waitMs = Math.min(RETRY_MS.first * 2 ** refusals, RETRY_MS.most);
      retrying.add(timer(waitMs * (0.5 + Math.random())).subscribe(() => socket.connect()));
    };

    // Whoever listens heard it before, or left.
    socket.on('job:state', (_job, seen) => seen?.());
    socket.on('connect', () => {
      refused = false;
      refusals = 0;
      tell('connected');
      out.next(socket);
    });
    socket.on('disconnect', () => {
      status = 'reconnecting';
      tell(status);
      out.next(undefined);
      connectAgain();
    });
    socket.on('connect_error', (error) => {
      if (isUnauthorized(error)) {
        if (refused || typeof token !== 'function') {
          final = true;
          const reason = new JobstreamError('unauthorized', 'The gateway does not take this token.', { cause: error });
          tell('unauthorized', reason);
          out.error(reason);
          return;
        }
        refused = true;
      }
      explain(error);
      connectAgain();
      refusals += 1;
    });
    tell(status);
    socket.connect();

    return () => {
      retrying.unsubscribe();
      socket.off();
      socket.disconnect();
      if (!final) tell('idle');
    };
  });

/** The gateway's own word, where it was one. */
const codeOf = (error: Error): string | undefined => {
  const code = (error as { readonly data?: { readonly code?: unknown } }).data?.code;
  return typeof code === 'string' ? code : undefined;
};

const isUnauthorized = (error: Error): boolean => codeOf(error) === 'unauthorized';
