import { defer, endWith, ignoreElements, interval, merge, takeWhile, tap, type SchedulerLike } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';

/**
 * A tick more than 2 s late means that the process was suspended (SIGSTOP, VM pause): a busy event loop stays below.
 */
const ASLEEP_MS = 2_000;

/** The process was suspended for a while, and another instance may have taken its jobs. */
export class Overslept extends Error {
  override readonly name = 'Overslept';
  constructor(ms: number) {
    super(`the process stood still for ${Math.round(ms / 1000)} s, and others may have gone on in its place`);
  }
}

const END = Symbol('end');

/**
 * Errors with `Overslept` after the process was suspended, if `isDoubtful` says that another instance may have gone on
 * with its work. It errors before it passes on any value that came in meanwhile: a socket then holds old frames.
 */
export const errorAfterSleep =
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
      // After a sleep a value or a tick may come first: both check the time.
      return merge(source$.pipe(tap(look), endWith(END)), tick$.pipe(ignoreElements())).pipe(
        takeWhile((value): value is T => value !== END),
      );
    });
