import {
  NEVER,
  asyncScheduler,
  defer,
  merge,
  retry,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Backoff } from './backoff';

/**
 * Resubscribes on error, waiting longer each time until a subscription lives for `steadyMs`. A first value proves
 * nothing: a server that accepts, greets and drops would be hammered for ever. `wake$` ends a wait at once.
 */
export const reconnecting =
  <T>(
    backoff: Backoff,
    clock: SchedulerLike = asyncScheduler,
    wake$: Observable<unknown> = NEVER,
  ): MonoTypeOperatorFunction<T> =>
  (source$) =>
    defer(() => {
      let attempt = 0;
      let openedAt = 0;
      return defer(() => {
        openedAt = clock.now();
        return source$;
      }).pipe(
        retry({
          delay: (error: unknown) => {
            attempt = clock.now() - openedAt < backoff.steadyMs ? attempt + 1 : 1;
            return merge(timer(backoff.delayMs(attempt, error), clock), wake$);
          },
        }),
      );
    });
