import { catchError, concatMap, from, ignoreElements, map, mergeMap, of, toArray, type Observable } from 'rxjs';
import type { Report } from '../../streams/operators/reporting';
import { HOOK_DONE_S, HOOK_S, type Hook, type Hooks } from '../webhook-queue';
import type { Ask } from './connection/commands';
import { WholeKeys } from './connection/whole-keys';
import type { JobScripts } from './scripts/jobs';
import type { HookScripts } from './scripts/webhook-queue';

/** All hooks share one slot: a hook is small, and few jobs have one. */
const DUE_KEY = 'jobstream:{hooks}:due';
const HOOK_PREFIX = 'jobstream:{hooks}:of:';

type Keys = readonly [due: string, hook: string];

/** The result of a claim: the hook, the error of its key, or nothing where another instance has it. */
type Claimed = { readonly hook: Hook } | { readonly error: unknown } | undefined;

/** Hooks in Redis, claimed by one instance at a time. */
export function redisHooks(
  redis: HookScripts & Pick<JobScripts, 'dropForeign'>,
  ask: Ask,
  mayHaveLost$: Observable<unknown>,
  report: Report,
): Hooks {
  const whole = new WholeKeys(redis, ask, 'webhook', report);
  const due = [DUE_KEY, 'zset'] as const;

  function answered<T>(promptId: string, command: (keys: Keys) => Promise<T>): Observable<T> {
    const key = HOOK_PREFIX + promptId;
    return whole.run([due, [key, 'hash']], () => command([DUE_KEY, key]));
  }

  const told = (promptId: string, command: (keys: Keys) => Promise<unknown>): Observable<never> =>
    answered(promptId, command).pipe(ignoreElements());

  const claimed = (promptId: string, forMs: number): Observable<Claimed> =>
    answered(promptId, (keys) => redis.claimHook(...keys, promptId, forMs)).pipe(
      map((text): Claimed => (text === null ? undefined : { hook: { promptId, text } })),
      catchError((error: unknown) => of<Claimed>({ error })),
    );

  return {
    mayHaveLost$,
    add: ({ promptId, text }, inMs) => told(promptId, (keys) => redis.addHook(...keys, promptId, text, inMs, HOOK_S)),
    hurry: (promptId) => told(promptId, (keys) => redis.hurryHook(...keys, promptId)),
    // All claims are sent at once, and answered in one round trip.
    claim: (most, forMs) =>
      whole
        .run([due], () => redis.dueHooks(DUE_KEY, most))
        .pipe(
          concatMap((ids) => from(ids).pipe(mergeMap((promptId) => claimed(promptId, forMs)))),
          toArray(),
          map(hooksOf),
        ),
    later: ({ promptId, text }, inMs) =>
      told(promptId, (keys) => redis.laterHook(...keys, promptId, text, inMs, HOOK_S, 0)),
    rest: ({ promptId, text }, inMs) =>
      told(promptId, (keys) => redis.laterHook(...keys, promptId, text, inMs, HOOK_S, inMs)),
    done: (promptId) => told(promptId, (keys) => redis.doneHook(...keys, promptId, HOOK_DONE_S)),
  };
}

/**
 * The hooks that were claimed. One whose claim failed stays due and holds up no other (R15). Throws its error if none
 * was claimed.
 */
function hooksOf(all: readonly Claimed[]): readonly Hook[] {
  const hooks = all.flatMap((each) => (each !== undefined && 'hook' in each ? [each.hook] : []));
  const trouble = all.find((each) => each !== undefined && 'error' in each);
  if (hooks.length === 0 && trouble !== undefined) throw trouble.error;
  return hooks;
}
