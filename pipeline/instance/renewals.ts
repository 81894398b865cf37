import {
  auditTime,
  defer,
  filter,
  from,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  takeUntil,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Env } from '../env';
import type { RememberedKeys } from '../submit/remembered-keys';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';

/** A state lives for two hours after its last write, and a node may be silent for longer. */
const RENEW_MS = 600_000;
/** How soon states are written again that the store may have lost: of several signs one is enough, and leases come first. */
const LOST_MS = 1_000;
/** Jobs renewed in one turn of the event loop. */
const AT_ONCE = 100;

/** Keys reserved again at once. */
const KEYS_AT_ONCE = 64;

export interface RenewalParts {
  readonly board: Pick<BoardView, 'job' | 'jobs'>;
  readonly writer: Pick<WriteBehind, 'renew' | 'rescue' | 'ends'>;
  readonly keys: Pick<RememberedKeys, 'renewed'>;
  readonly store: Pick<JobStore, 'mayHaveLost$'>;
  readonly stop$: Observable<unknown>;
}

/**
 * Has each live job's state written now and then, so that it lives on; and where the store may have lost it, with its key and workflow:
 * a job that waits may not change for long. The ends of the last while likewise.
 */
export function renewals(
  { board, writer, keys, store, stop$ }: RenewalParts,
  { clock }: Pick<Env, 'clock'>,
): Observable<never> {
  const live$ = defer(() => inSlices([...board.jobs.keys()], AT_ONCE, clock)).pipe(
    map((promptId) => board.job(promptId)?.state),
    filter((state) => state !== undefined),
  );
  const renewed$ = live$.pipe(tap((state) => writer.renew(state)));
  const rescued$ = live$.pipe(
    tap((state) => writer.rescue(state)),
    mergeMap((state) => keys.renewed(state), KEYS_AT_ONCE),
  );
  return merge(
    interval(RENEW_MS, clock).pipe(mergeMap(() => renewed$)),
    store.mayHaveLost$.pipe(
      auditTime(LOST_MS, clock),
      tap(() => writer.ends.again()),
      mergeMap(() => rescued$),
    ),
  ).pipe(ignoreElements(), takeUntil(stop$));
}

/** Many values, some in each turn of the event loop. */
const inSlices = <T>(values: readonly T[], size: number, clock: SchedulerLike): Observable<T> =>
  from(Array.from({ length: Math.ceil(values.length / size) }, (_, n) => values.slice(n * size, (n + 1) * size))).pipe(
    mergeMap((slice, n) => timer(n * 20, clock).pipe(mergeMap(() => slice))),
  );
