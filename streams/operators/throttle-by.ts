import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

/** How values are throttled. */
export interface Throttle<T> {
  readonly keyOf: (value: T) => string;
  /** How long a key rests, by how many keys there are. */
  readonly spaceMs: (keys: number) => number;
  readonly kindOf: (value: T) => unknown;
  readonly isUrgent?: (value: T) => boolean;
  readonly clock: SchedulerLike;
}

interface Lane<T> {
  /** The kind of what passed last; the value itself may be large, and is not held. */
  readonly kind: unknown;
  readonly restsUntil: number;
  /** The newest that waits. Set in place, as most values are overtaken. */
  next: { readonly value: T } | undefined;
}

/**
 * Of each key, passes the first value at once, then the newest one after each `spaceMs`. A value that is urgent, or of
 * another kind than the one that passed last, passes at once too. When the source completes, what waits passes, then it
 * completes. One timer for all keys.
 */
export const throttleBy =
  <T>({ keyOf, spaceMs, kindOf, isUrgent = () => false, clock }: Throttle<T>): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      /** In the order in which they have rested: who passes goes to the end. */
      const lanes = new Map<string, Lane<T>>();
      let timer: Subscription | undefined;

      const pass = (key: string, value: T): void => {
        lanes.delete(key);
        const restsUntil = clock.now() + spaceMs(lanes.size + 1);
        lanes.set(key, { kind: kindOf(value), restsUntil, next: undefined });
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
            if (lane === undefined || isUrgent(value) || kindOf(value) !== lane.kind) pass(key, value);
            else lane.next = { value };
          },
          error: (error: unknown) => out.error(error),
          complete: () => {
            for (const { next } of lanes.values()) if (next !== undefined) out.next(next.value);
            out.complete();
          },
        }),
      );
    });
