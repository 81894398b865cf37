import {
  auditTime,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  from,
  mergeMap,
  tap,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { Hook, Hooks } from '../../sinks/webhook-queue';
import { bounds } from '../../streams/bounds';
import { isSettled } from '../../streams/job/job-state';
import { orNothing } from '../../streams/operators/reporting';
import { remember } from '../../streams/maps/remember';

/** 5 s after the store may have lost data, the states of live jobs are stored again. */
const STORED_MS = 5_000;
/** The hook of a live job, added again, is due in 30 s, or when the job settles here. */
const LOOK_MS = 30_000;
/** How many hooks are added again at a time. */
const AT_ONCE = 16;

/** The hooks of a store that may lose them. */
export interface RememberedHooks extends Hooks {
  /**
   * Adds all remembered hooks again whenever the store may have lost data. Emits nothing; a failure waits for the next
   * time.
   */
  readonly rescued$: Observable<never>;
}

/**
 * Remembers each hook from `add` to `done` on this instance, `bounds.hooks` (10,000) at most: a store that comes back
 * empty has lost the hooks of jobs that live on. `hurry` adds the hook again first, which changes nothing if the store
 * has it. `told` reports an error and passes it on.
 */
export function rememberedHooks(
  hooks: Hooks,
  get: Pipeline['get'],
  clock: SchedulerLike,
  told: () => MonoTypeOperatorFunction<never>,
): RememberedHooks {
  const kept = new Map<string, Hook>();
  const again = (promptId: string, inMs: number): Observable<never> =>
    defer(() => {
      const hook = kept.get(promptId);
      return hook === undefined ? EMPTY : hooks.add(hook, inMs);
    });
  const rescued = (promptId: string): Observable<never> =>
    defer(() => get(promptId)).pipe(
      tap((job) => job === undefined && kept.delete(promptId)),
      mergeMap((job) => again(promptId, job !== undefined && isSettled(job) ? 0 : LOOK_MS)),
      told(),
      orNothing,
    );
  return {
    mayHaveLost$: hooks.mayHaveLost$,
    claim: (most, forMs) => hooks.claim(most, forMs),
    later: (hook, inMs) => hooks.later(hook, inMs),
    rest: (hook, inMs) => hooks.rest(hook, inMs),
    add: (hook, inMs) =>
      defer(() => {
        remember(kept, hook.promptId, kept.get(hook.promptId) ?? hook, bounds.hooks);
        return hooks.add(hook, inMs);
      }),
    hurry: (promptId) => concat(again(promptId, 0), hooks.hurry(promptId)),
    done: (promptId) => hooks.done(promptId).pipe(tap({ complete: () => kept.delete(promptId) })),
    rescued$: hooks.mayHaveLost$.pipe(
      auditTime(STORED_MS, clock),
      exhaustMap(() => from([...kept.keys()]).pipe(mergeMap(rescued, AT_ONCE))),
    ),
  };
}
