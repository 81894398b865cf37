import { defer, endWith, ignoreElements, interval, merge, takeWhile, tap, type SchedulerLike } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';

/** How much later than planned a tick may come in a process that runs, be it ever so busy. */
const ASLEEP_MS = 2_000;

/** The process stood still for a while: stopped, or on a machine that was. */
export class Overslept extends Error {
  override readonly name = 'Overslept';
  constructor(ms: number) {
    super(`the process stood still for ${Math.round(ms / 1000)} s, and others may have gone on in its place`);
  }
}

const END = Symbol('end');

/**
 * Errors with `Overslept` when the process stood still and what was known `isDoubtful` by now, before anything is handed
 * on that has come in meanwhile: a socket that was asleep is full of old news.
 */
export const unlessOverslept =
  <T>(isDoubtful: () => boolean, tickMs: number, clock: SchedulerLike): MonoTypeOperatorFunction<T> =>
  (source$) =>
    defer(() => {
      let awakeAt = clock.now();
      const look = (): void => {
        const sinceMs = clock.now() - awakeAt;
        awakeAt = clock.now();
        if (sinceMs > tickMs + ASLEEP_MS && isDoubtful()) throw new Overslept(sinceMs);
      };
      const tick$ = interval(tickMs, clock).pipe(tap(look));
      // Whichever comes first after the sleep, it is noticed.
      return merge(source$.pipe(tap(look), endWith(END)), tick$.pipe(ignoreElements())).pipe(
        takeWhile((value): value is T => value !== END),
      );
    });
