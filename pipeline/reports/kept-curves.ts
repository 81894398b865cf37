import {
  EMPTY,
  Subject,
  catchError,
  concatMap,
  defaultIfEmpty,
  defer,
  finalize,
  firstValueFrom,
  from,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  of,
  tap,
  type Observable,
} from 'rxjs';
import type { Env } from '../env';
import { decodeCurves, encodeCurves } from './curves.codec';
import type { JobStore } from '../../sinks/job-store';
import { isSettled, type JobState } from '../../streams/job/job-state';
import { drawn, joined, noCurves, type Curves } from '../../streams/reports/curves';

/** How often curves are written that grew. */
const KEPT_MS = 5_000;
/** Writes of them at a time. */
const AT_ONCE = 8;
/** Curves of ended jobs that wait for the store. */
const MOST_ENDED = 1_000;
/** The file, beside the job's state and for as long as that, in which they are kept. */
const FILE = 'curves.json';

/** The metrics over time of jobs that report themselves, kept with their jobs. */
export interface KeptCurves {
  /** Takes in a state of a job of this instance. */
  readonly take: (state: JobState) => void;
  /** The job is another instance's now. */
  readonly forget: (promptId: string) => void;
  /** As they are known here, else as they were kept; without points where there are none. Rejects with `StoreUnavailable`. */
  readonly of: (promptId: string) => Promise<Curves>;
  /** Keeps what grew, while somebody is subscribed. Emits nothing; what the store cannot do is reported, and done later. */
  readonly kept$: Observable<never>;
  /** Keeps what is not kept yet. */
  readonly flush: () => Observable<never>;
}

interface Entry {
  readonly curves: Curves;
  /** Whether it holds what others kept before. */
  readonly isWhole: boolean;
  readonly isKept: boolean;
  readonly hasEnded: boolean;
}

/** Curves by job. Those that are not kept yet, and those of ended jobs, are found without a look at the others. */
class Entries {
  readonly #all = new Map<string, Entry>();
  readonly #unkept = new Set<string>();
  /** In the order in which they ended. */
  readonly #ended = new Set<string>();

  get(promptId: string): Entry | undefined {
    return this.#all.get(promptId);
  }

  set(promptId: string, entry: Entry): void {
    this.#all.set(promptId, entry);
    if (entry.isKept) this.#unkept.delete(promptId);
    else this.#unkept.add(promptId);
    if (entry.hasEnded) this.#ended.add(promptId);
    else this.#ended.delete(promptId);
  }

  delete(promptId: string): void {
    this.#all.delete(promptId);
    this.#unkept.delete(promptId);
    this.#ended.delete(promptId);
  }

  unkept(): readonly string[] {
    return [...this.#unkept];
  }

  /** In an outage of the store those that ended first are forgotten. */
  bound(): void {
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MOST_ENDED) return;
      this.delete(oldest);
    }
  }
}

export function keptCurves(store: Pick<JobStore, 'file' | 'keepFile'>, { clock, report }: Env): KeptCurves {
  const entries = new Entries();
  const ended$ = new Subject<string>();
  const writing = new Set<string>();

  const whole = (promptId: string): Observable<Curves> =>
    defer(() => {
      const entry = entries.get(promptId);
      if (entry?.isWhole === true) return of(entry.curves);
      return storedCurves(store, promptId).pipe(map((kept) => joined(kept, entries.get(promptId)?.curves ?? noCurves)));
    });

  const written = (promptId: string): Observable<never> =>
    whole(promptId).pipe(
      concatMap((curves) => {
        const entry = entries.get(promptId);
        if (entry === undefined) return EMPTY;
        const now: Entry = { ...entry, curves, isWhole: true, isKept: true };
        entries.set(promptId, now);
        const file = { mimeType: 'application/json', bytes: encodeCurves(curves) };
        const forgotten = (): void => {
          if (now.hasEnded && entries.get(promptId) === now) entries.delete(promptId);
        };
        return store.keepFile(promptId, FILE, file).pipe(tap({ complete: forgotten }));
      }),
    );
  const write = (promptId: string): Observable<never> =>
    defer(() => {
      if (writing.has(promptId)) return EMPTY;
      writing.add(promptId);
      return written(promptId).pipe(
        catchError((error: unknown) => {
          report('store', error);
          const entry = entries.get(promptId);
          if (entry !== undefined) entries.set(promptId, { ...entry, isKept: false });
          return EMPTY;
        }),
        finalize(() => writing.delete(promptId)),
      );
    });

  return {
    take: (state) => {
      const { promptId } = state;
      const entry = entryAfter(entries.get(promptId), state);
      if (entry === undefined) return;
      entries.set(promptId, entry);
      if (!entry.hasEnded) return;
      ended$.next(promptId);
      entries.bound();
    },
    forget: (promptId) => entries.delete(promptId),
    of: (promptId) => firstValueFrom(whole(promptId)),
    kept$: merge(interval(KEPT_MS, clock).pipe(mergeMap(() => entries.unkept())), ended$).pipe(
      mergeMap(write, AT_ONCE),
      ignoreElements(),
    ),
    flush: () => defer(() => from(entries.unkept())).pipe(mergeMap(write, AT_ONCE)),
  };
}

/** What is known of a job's curves after one more state; `undefined` where that tells nothing of them. */
function entryAfter(before: Entry | undefined, state: JobState): Entry | undefined {
  const { epoch, startedAt, reported } = state;
  if (reported === undefined) return undefined;
  const entry = before ?? { curves: noCurves, isWhole: epoch === startedAt, isKept: true, hasEnded: false };
  const curves = drawn(entry.curves, state);
  const hasEnded = isSettled(state);
  if (curves === entry.curves && !(hasEnded && before !== undefined)) return undefined;
  return { ...entry, curves, isKept: false, hasEnded };
}

const storedCurves = (store: Pick<JobStore, 'file'>, promptId: string): Observable<Curves> =>
  store.file(promptId, FILE).pipe(
    map((file) => (file === undefined ? noCurves : decodeCurves(file.bytes))),
    defaultIfEmpty(noCurves),
  );
