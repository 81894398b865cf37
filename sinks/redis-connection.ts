import { Redis, type RedisOptions } from 'ioredis';
import { defer, EMPTY, fromEvent, ignoreElements, merge, mergeMap, of, take, timer, type Observable } from 'rxjs';
import type { Report } from '../streams/reporting';

const COMMAND_TIMEOUT_MS = 1000;

type Settings = Omit<RedisOptions, 'protocol' | 'replyMapping'>;

/** Hangs up at the latest this long after asking, and finds a half-open link out: `commandTimeout` alone had not after 20 s. */
const LINK: Settings = { socketTimeout: 3000, disconnectTimeout: 500 };

/** For commands: fails at once rather than queue (R12: the newest states wait elsewhere, 24 MB instead of 1,132). */
export const IMPATIENT: Settings = {
  ...LINK,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT_MS,
  reconnectOnError: (error) => error.message.includes('READONLY'),
};

/** For subscriptions: waits as long as it takes. Whoever listens subscribes again by himself, and so knows what he missed. */
export const PATIENT: Settings = {
  ...LINK,
  lazyConnect: true,
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
  autoResubscribe: false,
};

/** A Redis client that may be used before, during and after an outage. */
export interface RedisConnection {
  readonly redis: Redis;
  /** Emits once the first attempt to connect has ended either way, so that a client just made is not called unavailable. */
  readonly tried$: Observable<unknown>;
  /** What went wrong, fit to be shown: without the password, and without the command, which holds a job's data. */
  readonly told: (error: unknown) => Error;
  /** Hangs up without waiting for answers. Completes when the connection is gone. */
  hangUp(): Observable<never>;
}

/** `REDIS_URL` cannot be understood. Says nothing of what it holds. */
export class InvalidRedisUrl extends Error {
  override readonly name = 'InvalidRedisUrl';
  constructor() {
    super(
      'not a URL of the form redis://[user:password@]host[:port][/db] (or rediss://), special characters %-encoded',
    );
  }
}

/** Opens a connection that comes back by itself. Reports trouble when it begins and when it changes, not at each attempt. Throws `InvalidRedisUrl`. */
export function connect(url: string, settings: Settings, where: string, report: Report): RedisConnection {
  assertUrl(url);
  const redis = new Redis(url, settings);
  redis.setMaxListeners(0);
  const told = withoutSecret(redis.options.password ?? '');

  let trouble = '';
  redis.on('error', (error: unknown) => {
    const shown = told(error);
    if (shown.message !== trouble) report(where, shown);
    trouble = shown.message;
  });
  redis.on('ready', () => (trouble = ''));

  let tried = false;
  const firstTry$ = merge(fromEvent(redis, 'ready'), fromEvent(redis, 'close')).pipe(take(1));
  redis.once('ready', () => (tried = true)).once('close', () => (tried = true));

  const connection: RedisConnection = {
    redis,
    tried$: defer(() => (tried ? of(true) : merge(firstTry$, timer(COMMAND_TIMEOUT_MS)).pipe(take(1)))),
    told,
    hangUp: () =>
      defer(() => {
        if (redis.status === 'end') return EMPTY;
        redis.disconnect();
        // Between two attempts there is no socket whose end could be waited for.
        return isGone(redis) ? EMPTY : fromEvent(redis, 'end').pipe(take(1));
      }).pipe(ignoreElements()),
  };
  return connection;
}

/** Has the commands under way answered, as far as the server answers at all. Completes; never errors. */
export function finishCommands({ redis, tried$ }: RedisConnection): Observable<never> {
  return tried$.pipe(
    mergeMap(() => redis.quit().catch(() => 'the connection is down already')),
    ignoreElements(),
  );
}

const isGone = ({ status }: Redis): boolean => status === 'end' || status === 'reconnecting';

function assertUrl(url: string): void {
  // Node's own complaint would carry the URL, password and all; an unescaped `/`, `?` or `#` would make a host of it.
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isRedis = parsed !== undefined && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== '';
  if (!isRedis || parsed.hash !== '' || !/^\/?\d*$/.test(parsed.pathname)) throw new InvalidRedisUrl();
}

/** ioredis hangs the command on its errors (`HELLO 3 AUTH default <password>`, `EVALSHA … <state>`), and old servers quote it. */
const withoutSecret =
  (password: string) =>
  (error: unknown): Error => {
    const { message, code, name } = error as { message?: string; code?: string; name?: string };
    const text = [message, code, name].find((part) => part !== undefined && part !== '') ?? 'unknown trouble';
    return new Error(password === '' ? text : text.replaceAll(password, '***'));
  };
