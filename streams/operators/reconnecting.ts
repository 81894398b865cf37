import {
  NEVER,
  defer,
  merge,
  retry,
  throwError,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Backoff } from './backoff';

export interface Reconnecting {
  readonly backoff: Backoff;
  readonly clock: SchedulerLike;
  /** Whether an error comes from outside and may pass; any other is passed on. */
  readonly isTransient: (error: unknown) => boolean;
  /** Ends a wait when it emits. */
  readonly wake$?: Observable<unknown>;
}

/**
 * Resubscribes after a transient error, with growing waits; they start over after a subscription lived for `steadyMs`.
 * A first value does not start them over: a server that accepts, greets and drops would be asked without end.
 */
export const reconnecting =
  <T>({ backoff, clock, isTransient, wake$ = NEVER }: Reconnecting): MonoTypeOperatorFunction<T> =>
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
            if (!isTransient(error)) return throwError(() => error);
            attempt = clock.now() - openedAt < backoff.steadyMs ? attempt + 1 : 1;
            return merge(timer(backoff.delayMs(attempt, error), clock), wake$);
          },
        }),
      );
    });
