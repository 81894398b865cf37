import {
  auditTime,
  concat,
  defer,
  filter,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import type { Env } from '../env';
import type { RememberedKeys } from '../submit/remembered-keys';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { inSlices } from '../../streams/maps/chunks';

/**
 * Live states are written again each 10 min: the store drops one 2 h after its last write, and a node may take longer.
 */
const RENEW_MS = 600_000;
/**
 * How long after a sign that the store lost writes all live states are written again, ms: several signs come together,
 * and leases are taken first.
 */
const LOST_MS = 1_000;
/** Jobs whose states are handed to the writer in one turn of the event loop. */
const AT_ONCE = 100;

/** How many callers' keys are reserved again at a time. */
const KEYS_AT_ONCE = 64;

export interface RenewalParts {
  readonly board: Pick<BoardView, 'job' | 'jobs'>;
  readonly writer: Pick<WriteBehind, 'renew' | 'rescue'> & { readonly ends: Pick<WriteBehind['ends'], 'again'> };
  readonly keys: Pick<RememberedKeys, 'renewed' | 'ended'>;
  readonly store: Pick<JobStore, 'mayHaveLost$'>;
  readonly stop$: Observable<unknown>;
}

/**
 * Writes each live job's state again: every `RENEW_MS`, before it expires; and when the store may have lost it, with
 * its caller's key and its workflow, as a job that waits may not change for long. Then it also writes the ends of the
 * last ten minutes again, with their keys: one whose key is gone would be run once more.
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
  const rescued$ = concat(
    live$.pipe(tap((state) => writer.rescue(state))),
    defer(() => keys.ended()),
  ).pipe(mergeMap((state) => keys.renewed(state), KEYS_AT_ONCE));
  return merge(
    interval(RENEW_MS, clock).pipe(mergeMap(() => renewed$)),
    store.mayHaveLost$.pipe(
      auditTime(LOST_MS, clock),
      tap(() => writer.ends.again()),
      mergeMap(() => rescued$),
    ),
  ).pipe(ignoreElements(), takeUntil(stop$));
}
