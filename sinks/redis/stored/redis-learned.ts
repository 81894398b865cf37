import { concat, EMPTY, ignoreElements, map } from 'rxjs';
import { LEARNED_S, type JobStore } from '../../job-store';
import type { Ask } from '../connection/commands';
import type { RedisCommands } from '../connection/topology';
import type { TypedKey, WholeKeys } from '../connection/whole-keys';

/** A hash: what was learnt of nodes' durations, by key. */
const LEARNED_KEY = 'jobstream:learned';
const LEARNED: readonly TypedKey[] = [[LEARNED_KEY, 'hash']];

/** What runs taught of nodes' durations; see `JobStore.learn`. */
export const redisLearned = (
  redis: Pick<RedisCommands, 'hgetall' | 'hset' | 'hdel' | 'expire'>,
  ask: Ask,
  keys: WholeKeys,
): Pick<JobStore, 'learned' | 'learn'> => ({
  learned: () => keys.run(LEARNED, () => redis.hgetall(LEARNED_KEY)).pipe(map((texts) => Object.entries(texts))),

  learn: (entries) => {
    const kept = entries.flatMap(([key, text]) => (text === undefined ? [] : [key, text]));
    const forgotten = entries.flatMap(([key, text]) => (text === undefined ? [key] : []));
    return concat(
      kept.length === 0 ? EMPTY : keys.run(LEARNED, () => redis.hset(LEARNED_KEY, ...kept)),
      forgotten.length === 0 ? EMPTY : keys.run(LEARNED, () => redis.hdel(LEARNED_KEY, ...forgotten)),
      ask(() => redis.expire(LEARNED_KEY, LEARNED_S)),
    ).pipe(ignoreElements());
  },
});
