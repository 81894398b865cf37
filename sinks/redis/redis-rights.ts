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

/** One thing that is done with Redis, and what cannot be without it. */
interface Trial {
  readonly what: string;
  readonly isFeed: boolean;
  readonly attempt: () => Promise<unknown>;
}

/** Does once, for real, all that is done with Redis, and leaves nothing there. */
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
 * What the user may not do. Only of the feed it is a warning, with which jobs go on; anything else errors with
 * `UnsuitableStore`. Errors with `StoreUnavailable`.
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

/** Why a command was not allowed; other trouble is thrown on. */
function refusalOf(error: unknown): string {
  const { message } = error as Error;
  if (/NOPERM|ACL failure|user executing the script/.test(message)) return message.slice(0, 200);
  throw error;
}

/** Subscribes on a connection of its own, for one that commands share may not. Of a cluster any node will do: rights come first. */
async function subscribed(node: Redis | undefined, channel: string): Promise<unknown> {
  const listener = node?.duplicate({ lazyConnect: true, enableOfflineQueue: true, enableReadyCheck: false });
  try {
    return await listener?.ssubscribe(channel).catch((error: unknown) => {
      if (!/^(MOVED|ASK|CLUSTERDOWN)/.test((error as Error).message)) throw error;
    });
  } finally {
    listener?.disconnect();
  }
}

const pattern = (name: string): string =>
  name.replace(/jobstream:probe:[\w-]+/, (id) => (name === id ? 'jobstream:*' : '*'));
