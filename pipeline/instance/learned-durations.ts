import {
  EMPTY,
  catchError,
  defer,
  exhaustMap,
  ignoreElements,
  interval,
  merge,
  startWith,
  tap,
  type Observable,
} from 'rxjs';
import type { Env } from '../env';
import { isUnavailable, type JobStore } from '../../sinks/job-store';
import type { Change } from '../../streams/board/board';
import type { Durations } from '../../streams/job/progress/plan/expected';
import { learned, type LearnedEntry } from '../../streams/job/progress/learned/learned';
import { remember } from '../../streams/maps/remember';
import { reportingOutages, skippingErrors } from '../../streams/operators/reporting';

/** How often new durations are written, all together, ms. */
const KEPT_AFTER_MS = 5_000;
/** How often the durations that other instances learnt are read, ms. */
const READ_MS = 300_000;
/** How many durations are removed from the store after one read, at most; the rest goes after the next reads. */
const FORGOTTEN = 10_000;
/** How many entries wait for a store that is away; past that, the oldest are dropped. */
const UNWRITTEN = 20_000;

/** How long nodes took in earlier runs, shared by all instances on the store. */
export interface LearnedDurations {
  readonly durationsOn: (serverUrl: string) => Durations;
  readonly learn: (measured: Change & { readonly tag: 'measured' }) => void;
  /** Reads and writes the stored durations while subscribed to. Emits nothing; reports what the store cannot do. */
  readonly kept$: Observable<never>;
  /** Writes the durations that are not written yet; likewise. */
  readonly flush: () => Observable<never>;
}

export function learnedDurations(store: Pick<JobStore, 'learned' | 'learn'>, { clock, report }: Env): LearnedDurations {
  const known = learned();
  const unwritten = new Map<string, string | undefined>();
  const noted = (entries: readonly LearnedEntry[]): void => {
    for (const [key, text] of entries) remember(unwritten, key, text, UNWRITTEN);
  };
  const attempted = skippingErrors('durations', report);
  // Entries that exceed the bound here are removed from the store, too (R16): else each instance would store again what
  // another has dropped.
  const taken = (entries: readonly LearnedEntry[]): void => noted(known.take(entries).slice(0, FORGOTTEN));
  const told = reportingOutages('durations', report, isUnavailable);
  // Entries that a store which is away did not take wait for the next write, before those that were noted since.
  const failed = (entries: readonly LearnedEntry[], error: unknown): Observable<never> => {
    const since = [...unwritten];
    unwritten.clear();
    if (isUnavailable(error)) noted(entries);
    noted(since);
    return EMPTY;
  };
  const flush = (): Observable<never> =>
    defer(() => {
      if (unwritten.size === 0) return EMPTY;
      const entries = [...unwritten];
      unwritten.clear();
      return store.learn(entries).pipe(
        told(),
        catchError((error: unknown) => failed(entries, error)),
      );
    });
  const read$ = interval(READ_MS, clock).pipe(
    startWith(0),
    exhaustMap(() => attempted(defer(() => store.learned()).pipe(tap(taken)))),
  );
  const written$ = interval(KEPT_AFTER_MS, clock).pipe(exhaustMap(flush));
  return {
    durationsOn: known.durationsOn,
    learn: ({ serverUrl, run, at }) => noted(known.learn(serverUrl, run, at)),
    kept$: merge(written$, read$).pipe(ignoreElements()),
    flush,
  };
}
