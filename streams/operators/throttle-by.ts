import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

interface Lane<T> {
  readonly passed: T;
  readonly restsUntil: number;
  readonly next?: { readonly value: T };
}

/**
 * Of each key, passes the first value at once, then the newest one after each `spaceMs`, which may depend on how many keys
 * there are. A value that is urgent after the one that passed last passes at once too. When the source completes, what
 * waits passes, then it completes. One timer for all keys.
 */
export const throttleBy =
  <T>(
    keyOf: (value: T) => string,
    spaceMs: (keys: number) => number,
    isUrgent: (passed: T, value: T) => boolean,
    clock: SchedulerLike,
  ): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      /** In the order in which they have rested: who passes goes to the end. */
      const lanes = new Map<string, Lane<T>>();
      let timer: Subscription | undefined;

      const pass = (key: string, value: T): void => {
        lanes.delete(key);
        lanes.set(key, { passed: value, restsUntil: clock.now() + spaceMs(lanes.size + 1) });
        watch();
        out.next(value);
      };
      const watch = (): void => {
        const [first] = lanes.values();
        if (first !== undefined) timer ??= clock.schedule(rested, Math.max(0, first.restsUntil - clock.now()));
      };
      const rested = (): void => {
        timer = undefined;
        const over: (readonly [string, Lane<T>])[] = [];
        for (const entry of lanes) {
          if (entry[1].restsUntil > clock.now()) break;
          over.push(entry);
        }
        for (const [key, { next }] of over) {
          if (next === undefined) lanes.delete(key);
          else pass(key, next.value);
        }
        watch();
      };

      out.add(() => timer?.unsubscribe());
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
