import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

/** How values are throttled. */
export interface Throttle<T> {
  readonly keyOf: (value: T) => string;
  /** How long a key rests after a value passed, ms, given the number of keys. */
  readonly spaceMs: (keys: number) => number;
  /** A value of another kind than the last that passed does not wait. */
  readonly kindOf: (value: T) => unknown;
  /** An urgent value does not wait; none is urgent by default. */
  readonly isUrgent?: (value: T) => boolean;
  /** Keys that have rested pass together, this many ms after others did or later; 0 by default. */
  readonly gatherMs?: number;
  readonly clock: SchedulerLike;
}

interface Lane<T> {
  /** The kind of the value that passed last; the value itself may be large, so it is not kept. */
  readonly kind: unknown;
  readonly restsUntil: number;
  /** The newest waiting value. Set in place, as most values are replaced before they pass. */
  next: { readonly value: T } | undefined;
}

/**
 * Per key, passes the first value at once, then the newest one every `spaceMs`. A value that is urgent, or of another
 * kind than the last that passed, passes at once too. When the source completes, waiting values pass first. One timer
 * serves all keys.
 */
export const throttleBy =
  <T>({
    keyOf,
    spaceMs,
    kindOf,
    isUrgent = () => false,
    gatherMs = 0,
    clock,
  }: Throttle<T>): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      /** In the order in which their rests end: a key whose value passes goes to the end. */
      const lanes = new Map<string, Lane<T>>();
      let timer: Subscription | undefined;
      let gatheredAt = Number.NEGATIVE_INFINITY;

      const pass = (key: string, value: T): void => {
        lanes.delete(key);
        const restsUntil = clock.now() + spaceMs(lanes.size + 1);
        lanes.set(key, { kind: kindOf(value), restsUntil, next: undefined });
        watch();
        out.next(value);
      };
      const watch = (): void => {
        const [first] = lanes.values();
        if (first === undefined || timer !== undefined) return;
        const now = clock.now();
        // `gatherMs` at most, though the clock was set back.
        const gathering = Math.min(gatherMs, gatheredAt + gatherMs - now);
        timer = clock.schedule(rested, Math.max(0, first.restsUntil - now, gathering));
      };
      const rested = (): void => {
        timer = undefined;
        gatheredAt = clock.now();
        for (const [key, { next }] of restedBy(lanes, gatheredAt)) {
          if (next !== undefined) pass(key, next.value);
          else lanes.delete(key);
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

/** The lanes, in the order in which their rests end, whose rest is over. */
function restedBy<T>(lanes: ReadonlyMap<string, Lane<T>>, now: number): readonly (readonly [string, Lane<T>])[] {
  const over: (readonly [string, Lane<T>])[] = [];
  for (const entry of lanes) {
    if (entry[1].restsUntil > now) break;
    over.push(entry);
  }
  return over;
}
