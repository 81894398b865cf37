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

/** Of a store that may have lost something, what lives is stored again by then. */
const STORED_MS = 5_000;
/** A live job whose hook was added again is looked at so soon, unless it settles here before. */
const LOOK_MS = 30_000;
/** Hooks added again at once. */
const AT_ONCE = 16;

/** The hooks of a store that may lose them. */
export interface RememberedHooks extends Hooks {
  /** Adds again what the store may have lost. Emits nothing; what comes to nothing is tried at the next sign. */
  readonly rescued$: Observable<never>;
}

/**
 * Remembers what is added here until it is done here, `bounds.hooks` at most: a store that comes back empty knows no hook
 * of the jobs that live on. Whatever is hurried is added again before, which changes nothing where the store has it.
 * `told` reports what goes wrong with one of them, and passes it on.
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
    ...{ mayHaveLost$: hooks.mayHaveLost$, claim: (most, forMs) => hooks.claim(most, forMs) },
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
