import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

interface Lane<T> {
  readonly passed: T;
  readonly timer: Subscription;
  readonly next?: { readonly value: T };
}

/**
 * Of each key, passes the first value at once, then the newest one every `spaceMs`. A value that is urgent after the
 * one that passed last passes at once too. When the source completes, what waits passes, then it completes.
 */
export const throttleBy =
  <T>(
    keyOf: (value: T) => string,
    spaceMs: number,
    isUrgent: (passed: T, value: T) => boolean,
    clock: SchedulerLike,
  ): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      const lanes = new Map<string, Lane<T>>();

      const pass = (key: string, value: T): void => {
        lanes.get(key)?.timer.unsubscribe();
        lanes.set(key, { passed: value, timer: clock.schedule(() => rest(key), spaceMs) });
        out.next(value);
      };
      const rest = (key: string): void => {
        const next = lanes.get(key)?.next;
        lanes.delete(key);
        if (next !== undefined) pass(key, next.value);
      };

      out.add(() => lanes.forEach(({ timer }) => timer.unsubscribe()));
      out.add(
        source$.subscribe({
          next: (value) => {
            const key = keyOf(value);
            const lane = lanes.get(key);
            if (lane === undefined || isUrgent(lane.passed, value)) pass(key, value);
            else lanes.set(key, { ...lane, next: { value } });
          },
          error: (error: unknown) => out.error(error),
          complete: () => {
            for (const { next } of lanes.values()) if (next !== undefined) out.next(next.value);
            out.complete();
          },
        }),
      );
    });
