import {
  Subject,
  bufferTime,
  concatMap,
  defer,
  exhaustMap,
  filter,
  ignoreElements,
  interval,
  merge,
  startWith,
  tap,
  type Observable,
} from 'rxjs';
import type { Env } from '../env';
import type { JobStore } from '../../sinks/job-store';
import type { Change } from '../../streams/board/board';
import type { Durations } from '../../streams/job/progress/plan/expected';
import { learned, type LearnedEntry } from '../../streams/job/progress/learned/learned';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** How long new durations are collected before they are written together, ms. */
const KEPT_AFTER_MS = 5_000;
/** How often the durations that other instances learnt are read, ms. */
const READ_MS = 300_000;
/** How many durations are removed from the store after one read, at most; the rest goes after the next reads. */
const FORGOTTEN = 10_000;

/** How long nodes took in earlier runs, shared by all instances on the store. */
export interface LearnedDurations {
  readonly durationsOn: (serverUrl: string) => Durations;
  readonly learn: (measured: Change & { readonly tag: 'measured' }) => void;
  /** Reads and writes the stored durations while subscribed to. Emits nothing; reports what the store cannot do. */
  readonly kept$: Observable<never>;
}

export function learnedDurations(store: Pick<JobStore, 'learned' | 'learn'>, { clock, report }: Env): LearnedDurations {
  const known = learned();
  const news$ = new Subject<readonly LearnedEntry[]>();
  const attempted = <T>(work$: Observable<T>): Observable<T> => work$.pipe(reporting('durations', report), orNothing);
  // Entries that exceed the bound here are removed from the store, too (R16): else each instance would store again what
  // another has dropped.
  const taken = (entries: readonly LearnedEntry[]): void => {
    const gone = known.take(entries).slice(0, FORGOTTEN);
    if (gone.length > 0) news$.next(gone);
  };
  const read$ = interval(READ_MS, clock).pipe(
    startWith(0),
    exhaustMap(() => attempted(defer(() => store.learned()).pipe(tap(taken)))),
  );
  const written$ = news$.pipe(
    bufferTime(KEPT_AFTER_MS, clock),
    filter((news) => news.length > 0),
    // Of several entries under one key the last is written.
    concatMap((news) => attempted(defer(() => store.learn([...new Map(news.flat()).entries()])))),
  );
  return {
    durationsOn: known.durationsOn,
    learn: ({ serverUrl, run, at }) => news$.next(known.learn(serverUrl, run, at)),
    kept$: merge(written$, read$).pipe(ignoreElements()),
  };
}
