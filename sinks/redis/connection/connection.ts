import { Cluster, Redis, type RedisOptions } from 'ioredis';
import {
  defer,
  distinct,
  firstValueFrom,
  fromEvent,
  ignoreElements,
  interval,
  map,
  merge,
  noop,
  of,
  take,
  timer,
  type Observable,
} from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { redisUrl, type RedisUrl } from './url';

type Settings = Omit<RedisOptions, 'protocol' | 'replyMapping' | 'scripts'> & {
  readonly scripts?: Record<string, { readonly lua: string; readonly numberOfKeys: number }>;
};

/** How often the same trouble with a cluster's node is reported, ms: ioredis emits it again and again. */
const REMIND_MS = 60_000;

/**
 * `disconnectTimeout`, ms. `socketTimeout` is there to notice half-open links: `commandTimeout` alone did not within 20
 * s.
 */
const HANG_UP_MS = 500;
/** How long a Redis that has loaded its data may go unused, ms: ioredis looks again after its own guess, up to 10 s. */
const LOADED_MS = 500;
const LINK: Settings = {
  socketTimeout: 3000,
  disconnectTimeout: HANG_UP_MS,
  maxLoadingRetryTime: LOADED_MS,
  retryStrategy: (attempt) => Math.min(1000, 50 * attempt),
};

/**
 * For commands: while disconnected they fail at once and do not wait in ioredis's queue. The newest state of each job
 * waits in the write-behind queue instead (R12), which takes 24 MB in place of 1,132.
 */
export const impatient = (commandTimeoutMs: number): Settings => ({
  ...LINK,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: commandTimeoutMs,
  reconnectOnError: (error) => error.message.includes('READONLY'),
});

/**
 * The same for files. `socketTimeout` would cut uploads, and `commandTimeout` is one for all commands: the caller
 * bounds each command by its bytes, and hangs up.
 */
export const unhurried = (): Settings => {
  const { socketTimeout: _socketTimeout, commandTimeout: _commandTimeout, ...settings } = impatient(0);
  return settings;
};

/** How long the first attempt to connect may take, ms, where there is no `commandTimeout` to bound it. */
const FIRST_TRY_MS = 1_000;

/**
 * For subscriptions: they wait as long as it takes. The subscriber subscribes again itself, and so knows that it missed
 * something.
 */
export const PATIENT: Settings = {
  ...LINK,
  lazyConnect: true,
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
  autoResubscribe: false,
};

/** A Redis client that may be used before, during and after an outage. */
export interface RedisConnection<Client extends Redis | Cluster = Redis> {
  readonly redis: Client;
  /**
   * Emits once the first attempt to connect has succeeded, failed or timed out. Commands wait for it, so that a client
   * just made does not count as unavailable.
   */
  readonly tried$: Observable<unknown>;
  /** Whether the first attempt has succeeded or failed. */
  readonly hasTried: () => boolean;
  /** The error to show: without the password, and without the command, which holds a job's data. */
  readonly told: (error: unknown) => Error;
  /** Hangs up without waiting for answers. Completes when the connection is gone. */
  readonly hangUp: () => Observable<never>;
}

/**
 * Opens a connection to one node; it reconnects by itself. Reports trouble when it begins and when it changes, not at
 * each attempt. Throws `InvalidRedisUrl`.
 */
export function connect(url: string, settings: Settings, where: string, report: Report): RedisConnection {
  const { password } = redisUrl(url);
  const redis = new Redis(url, settings);
  redis.setMaxListeners(0);
  const shown = withoutSecret(password);

  let trouble: Error | undefined;
  redis.on('error', (error: unknown) => {
    const before = trouble?.message;
    trouble = shown(error);
    if (trouble.message !== before) report(where, trouble);
  });
  redis.on('ready', () => (trouble = undefined));
  return tended(redis, settings, (error) => orReason(shown(error), redis.status === 'connect' ? NOT_READY : trouble));
}

/**
 * Opens connections to a cluster; they reconnect by themselves. Reports each trouble of its nodes once a minute at
 * most.
 */
export function connectCluster(
  { urls, isTls, username, password }: RedisUrl,
  // ioredis has a `clusterRetryStrategy` instead.
  { scripts = {}, retryStrategy: _retryStrategy, ...settings }: Settings,
  where: string,
  report: Report,
): RedisConnection<Cluster> {
  const credentials = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  const redis = new Cluster([...urls], {
    scripts,
    enableOfflineQueue: false,
    retryDelayOnFailover: 200,
    maxRedirections: 30,
    ...(settings.commandTimeout !== undefined && { slotsRefreshTimeout: settings.commandTimeout }),
    redisOptions: { ...settings, ...credentials, ...(isTls && { tls: {} }) },
  });
  redis.setMaxListeners(0);
  const shown = withoutSecret(password);

  let trouble: Error | undefined;
  const telling = merge(fromEvent(redis, 'error'), fromEvent(redis, 'node error'))
    .pipe(
      map((error) => (trouble = shown(error))),
      distinct(({ message }) => message, interval(REMIND_MS)),
    )
    .subscribe((error) => report(where, error));
  return tended(
    redis,
    settings,
    (error) => orReason(shown(error), trouble),
    () => telling.unsubscribe(),
  );
}

function tended<Client extends Redis | Cluster>(
  redis: Client,
  { commandTimeout = FIRST_TRY_MS }: Settings,
  told: (error: unknown) => Error,
  tearDown: () => void = noop,
): RedisConnection<Client> {
  let tried = false;
  const firstTry$ = merge(fromEvent(redis, 'ready'), fromEvent(redis, 'close')).pipe(take(1));
  redis.once('ready', () => (tried = true)).once('close', () => (tried = true));
  let gone: Promise<unknown> | undefined;

  function disconnect(): Promise<unknown> {
    tearDown();
    // Between two attempts there is no socket whose end could be waited for.
    const isOver = redis.status === 'end' || redis.status === 'reconnecting';
    redis.disconnect();
    return isOver ? Promise.resolve() : firstValueFrom(merge(fromEvent(redis, 'end'), timer(2 * HANG_UP_MS)));
  }

  const connection: RedisConnection<Client> = {
    redis,
    hasTried: () => tried,
    tried$: defer(() => (tried ? of(true) : merge(firstTry$, timer(commandTimeout)).pipe(take(1)))),
    told,
    hangUp: () => defer(() => (gone ??= disconnect())).pipe(ignoreElements()),
  };
  return connection;
}

/**
 * ioredis attaches the command to its errors (`HELLO 3 AUTH default <password>`, `EVALSHA … <state>`), and old servers
 * quote it in the message.
 */
const withoutSecret =
  (password = '') =>
  (error: unknown): Error => {
    // `fromEvent` gives a cluster event's arguments as an array, the error first; its `lastNodeError` says what is
    // wrong.
    const trouble = (Array.isArray(error) ? error[0] : error) as Trouble & { readonly lastNodeError?: Trouble };
    const { message, code, name } = trouble.lastNodeError ?? trouble;
    const text = [message, code, name].find((part) => part !== undefined && part !== '') ?? 'unknown trouble';
    return new Error(password === '' ? text : text.replaceAll(password, '***'));
  };

/** ioredis holds a connection back until INFO says that the data are loaded, and tells nobody why. */
const NOT_READY = new Error('not connected yet: it is loading its data, most likely');

/** Where ioredis only says that it cannot write, takes the last trouble of the connection, which says why. */
const orReason = (error: Error, reason = new Error('not connected')): Error =>
  /enableOfflineQueue|is closed|max retries/.test(error.message) ? reason : error;

type Trouble = Partial<Record<'message' | 'code' | 'name', string>>;
