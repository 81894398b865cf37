import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { concatMap, defer, from, map, reduce, type Observable } from 'rxjs';
import { jobKey, UnsuitableStore } from '../job-store';
import { keyBeside } from './connection/key-slot';
import type { RedisNodes } from './connection/topology';

/** What a user of Redis must be granted, as `ACL SETUSER` takes it. */
export const RIGHTS =
  '~comfyui:job:* ~{comfyui:job:*}:* ~jobstream:* &{comfyui:job:*}:* &jobstream:* ' +
  '+@read +@write +@scripting +@pubsub +@connection +time +info +config|get +cluster|nodes +cluster|slots';

/** One use of Redis, to be tried. `isFeed`: jobs go on without it. */
interface Trial {
  readonly what: string;
  readonly isFeed: boolean;
  readonly attempt: () => Promise<unknown>;
}

/** Every use that the store makes of Redis, each to be tried once for real. They leave nothing there. */
function trials({ redis, masters }: RedisNodes): readonly Trial[] {
  const probe = `jobstream:probe:${randomUUID()}`;
  const [state, beside, channel] = [jobKey(probe), keyBeside(jobKey(probe), 'probe'), keyBeside(jobKey(probe), 'feed')];
  const onKeys = [state, beside, probe].map((key) => ({
    what: `scripts on the key ${pattern(key)}`,
    attempt: () => redis.probe(key, 'word'),
  }));
  const commands: Readonly<Record<string, () => Promise<unknown>>> = {
    get: () => redis.get(state),
    mget: () => redis.mget(state),
    set: () => redis.set(probe, '', 'EX', 1, 'XX'),
    del: () => redis.del(beside),
    type: () => redis.type(state),
    hgetall: () => redis.hgetall(probe),
    hdel: () => redis.hdel(probe, 'field'),
    hmget: () => redis.hmgetBuffer(beside, 'field'),
    zrange: () => redis.zrange(probe, 0, '-1'),
    zrem: () => redis.zrem(probe, 'member'),
    scan: () => Promise.all(masters().map((node) => node.scan('0', 'COUNT', 1))),
    ping: () => Promise.all(masters().map((node) => node.ping())),
  };
  return [
    ...onKeys.map((trial) => ({ ...trial, isFeed: false })),
    ...Object.entries(commands).map(([what, attempt]) => ({ what, attempt, isFeed: false })),
    ...[channel, 'jobstream:released'].flatMap((each) => [
      { what: `publishing on ${pattern(each)}`, isFeed: true, attempt: () => redis.spublish(each, '') },
      { what: `subscribing to ${pattern(each)}`, isFeed: true, attempt: () => subscribed(masters()[0], each) },
    ]),
  ];
}

/**
 * Emits a warning if the user may not use channels, without which jobs go on; nothing if nothing is missing. Errors
 * with `UnsuitableStore` if anything else is refused, or with `StoreUnavailable`.
 */
export function missingRights(nodes: RedisNodes): Observable<readonly string[]> {
  return defer(() => from(trials(nodes))).pipe(
    concatMap((trial) =>
      nodes.ask(() => trial.attempt().then(() => undefined, refusalOf)).pipe(map((refusal) => ({ trial, refusal }))),
    ),
    reduce((refused: readonly string[], { trial, refusal }) => {
      if (refusal === undefined) return refused;
      if (!trial.isFeed)
        throw new UnsuitableStore(
          `the Redis user may not do what is needed: ${trial.what} (${refusal}); grant it: ${GRANT}`,
        );
      return [...refused, trial.what];
    }, []),
    map((refused) => (refused.length === 0 ? [] : [withoutFeed(refused)])),
  );
}

const GRANT = `ACL SETUSER <user> ${RIGHTS}`;

const withoutFeed = (refused: readonly string[]): string =>
  `the Redis user may not use channels (${refused.join(', ')}): whoever watches a job of another instance hears of it only ` +
  `now and then, within half a minute, and a cancel does not reach another instance; grant it: ${GRANT}`;

/** Why Redis refused a command; throws any other error on. */
function refusalOf(error: unknown): string {
  const { message } = error as Error;
  if (/NOPERM|ACL failure|user executing the script/.test(message)) return message.slice(0, 200);
  throw error;
}

/**
 * Subscribes and unsubscribes on a connection of its own, since the one for commands may not. In a cluster any node
 * will do: Redis checks rights before slots.
 */
async function subscribed(node: Redis | undefined, channel: string): Promise<unknown> {
  const listener = node?.duplicate({ lazyConnect: true, enableOfflineQueue: true, enableReadyCheck: false });
  const elsewhere = (error: unknown): void => {
    if (!/^(MOVED|ASK|CLUSTERDOWN)/.test((error as Error).message)) throw error;
  };
  try {
    await listener?.ssubscribe(channel).catch(elsewhere);
    return await listener?.sunsubscribe(channel).catch(elsewhere);
  } finally {
    listener?.disconnect();
  }
}

const pattern = (name: string): string =>
  name.replace(/jobstream:probe:[\w-]+/, (id) => (name === id ? 'jobstream:*' : '*'));
