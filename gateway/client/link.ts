import { io, type Socket } from 'socket.io-client';
import { Observable, Subscription, timer } from 'rxjs';
import type { ClientEvents, ServerEvents } from '../wire/protocol';
import { JobstreamError } from './jobstream-error';

/** A socket to a gateway. */
export type Link = Socket<ServerEvents, ClientEvents>;

export type Token = string | (() => string | Promise<string>);

/** How the connection is: `idle` while nobody watches, `unauthorized` once the gateway refused the token. */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'unauthorized' | 'closed';

export interface LinkOptions {
  /** Where the gateway is. */
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
export const link = ({ url, token }: LinkOptions, tell: (status: Status) => void): Observable<Link | undefined> =>
  new Observable((out) => {
    const retrying = new Subscription();
    let attempt = 0;
    let refusals = 0;
    let refused = false;
    let final = false;
    const socket: Link = io(url, {
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
      } catch {
        // A connection that lost its purpose: Socket.IO opens another, later and later.
        if (mine === attempt) socket.io.engine.close();
      }
    }
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
      tell('reconnecting');
      out.next(undefined);
      connectAgain();
    });
    socket.on('connect_error', (error) => {
      if (isUnauthorized(error)) {
        if (refused || typeof token !== 'function') {
          final = true;
          tell('unauthorized');
          out.error(new JobstreamError('unauthorized', 'The gateway does not take this token.', { cause: error }));
          return;
        }
        refused = true;
      }
      connectAgain();
      refusals += 1;
    });
    tell('connecting');
    socket.connect();

    return () => {
      retrying.unsubscribe();
      socket.off();
      socket.disconnect();
      if (!final) tell('idle');
    };
  });

const isUnauthorized = (error: Error): boolean =>
  (error as { readonly data?: { readonly code?: unknown } }).data?.code === 'unauthorized';
