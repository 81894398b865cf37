import { concatMap, defer, EMPTY, ignoreElements, takeUntil, timer, type Observable } from 'rxjs';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { Env } from '../env';
import { observedStore } from '../telemetry/observed-store';

/**
 * How long after an outage the store may still lack jobs that other instances began in it, ms: they connect within a
 * second, and write within two more.
 */
const WRITTEN_MS = 4_000;

/** The store, and whether it was away a moment ago. */
export interface StoreSight {
  readonly store: JobStore;
  /** Whether the store was away, or may have lost writes, in the last 4 s: jobs that others began may be missing. */
  readonly wasAway: () => boolean;
  /**
   * Completes 4 s after the store was last away, as it now stands: what others began is there by then. At once where it
   * was not away. Errors with `StoreUnavailable` if it is away.
   */
  readonly caughtUp: () => Observable<never>;
}

/** The store with its calls told to `tell`; notes when a call got no answer. */
export function storeSight(
  given: JobStore,
  { clock, tell }: Pick<Env, 'clock' | 'tell'>,
  stop$: Observable<unknown>,
): StoreSight {
  let awayAt = -WRITTEN_MS;
  const noteIt = (): void => {
    awayAt = clock.now();
  };
  given.mayHaveLost$.pipe(takeUntil(stop$)).subscribe(noteIt);
  const store = observedStore(given, (event) => {
    if (event.tag === 'storeCalled' && event.outcome === 'unavailable') noteIt();
    tell?.(event);
  });
  const wasAway = (): boolean => {
    const sinceMs = clock.now() - awayAt;
    // It is less than nothing where the clock was set back: it would count as away, and hold up who waits, by as much.
    return sinceMs >= 0 && sinceMs < WRITTEN_MS;
  };
  const caughtUp = (): Observable<never> =>
    store.healthy().pipe(
      concatMap((isWell) => {
        if (!isWell) throw new StoreUnavailable('the store takes no writes');
        return timer(awayAt + WRITTEN_MS - clock.now(), clock);
      }),
      ignoreElements(),
    );
  return { store, wasAway, caughtUp: () => defer(() => (wasAway() ? caughtUp() : EMPTY)) };
}
