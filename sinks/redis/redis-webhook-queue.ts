import { ignoreElements, map, type Observable } from 'rxjs';
import type { HookScripts } from './scripts/webhook-queue';
import { HOOK_DONE_S, HOOK_S, type Hooks } from '../webhook-queue';

/** One slot for all: a hook is small, and few jobs have one. */
const DUE_KEY = 'jobstream:{hooks}:due';
const HOOK_PREFIX = 'jobstream:{hooks}:of:';

const keysOf = (promptId: string): readonly [string, string] => [DUE_KEY, HOOK_PREFIX + promptId];

/** Hooks in Redis, claimed by one instance at a time. */
export function redisHooks(redis: HookScripts, ask: <T>(command: () => Promise<T>) => Observable<T>): Hooks {
  const told = (command: () => Promise<unknown>): Observable<never> => ask(command).pipe(ignoreElements());
  return {
    add: ({ promptId, text }, inMs) => told(() => redis.addHook(...keysOf(promptId), promptId, text, inMs, HOOK_S)),
    hurry: (promptId) => told(() => redis.hurryHook(...keysOf(promptId), promptId)),
    claim: (most, forMs) =>
      ask(() => redis.claimHooks(DUE_KEY, most, forMs, HOOK_PREFIX)).pipe(
        map((pairs) => pairs.flatMap((promptId, i) => (i % 2 === 0 ? [{ promptId, text: pairs[i + 1] ?? '' }] : []))),
      ),
    later: ({ promptId, text }, inMs) => told(() => redis.laterHook(...keysOf(promptId), promptId, text, inMs, HOOK_S)),
    done: (promptId) => told(() => redis.doneHook(...keysOf(promptId), promptId, HOOK_DONE_S)),
  };
}
