import { takeUntil, type Observable } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import type { Env } from '../env';
import { observedStore } from '../telemetry/observed-store';

/** What others began while the store was away is in it so long after its return: they connect within a second, and write within two more. */
const WRITTEN_MS = 4_000;

/** A store, and whether all that others have begun is in it. */
export interface StoreSight {
  readonly store: JobStore;
  /** Whether it was away a moment ago, or may have lost something: what others have begun may not be in it yet. */
  readonly wasAway: () => boolean;
}

/** A store whose calls are told of, and remembered where it did not answer. */
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
  return { store, wasAway: () => clock.now() - awayAt < WRITTEN_MS };
}
