import { takeUntil, type Observable, type SchedulerLike } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import type { Telemetry } from '../telemetry/telemetry-event';

/** What others began while the store was away is in it so long after its return: they connect within a second, and write within two more. */
const WRITTEN_MS = 4_000;

/** Whether all that others have begun is in the store. */
export interface StoreSight {
  /** Takes what is told of calls of the store. */
  readonly heard: Telemetry;
  /** Whether it was away a moment ago, or may have lost something: what others have begun may not be in it yet. */
  readonly wasAway: () => boolean;
}

export function storeSight(
  { mayHaveLost$ }: Pick<JobStore, 'mayHaveLost$'>,
  clock: Pick<SchedulerLike, 'now'>,
  stop$: Observable<unknown>,
): StoreSight {
  let awayAt = -WRITTEN_MS;
  const noteIt = (): void => {
    awayAt = clock.now();
  };
  mayHaveLost$.pipe(takeUntil(stop$)).subscribe(noteIt);
  return {
    heard: (event) => {
      if (event.tag === 'storeCalled' && event.outcome === 'unavailable') noteIt();
    },
    wasAway: () => clock.now() - awayAt < WRITTEN_MS,
  };
}
