import {
  EMPTY,
  Subject,
  catchError,
  concatMap,
  defer,
  exhaustMap,
  finalize,
  firstValueFrom,
  from,
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

/** How often curves that have grown are written, ms. */
const KEPT_MS = 5_000;
/** How many curves are written at a time. */
const AT_ONCE = 8;
/** How many ended jobs' curves wait for the store at most. */
const MOST_ENDED = 1_000;
/** The name of the file that holds a job's curves; the store keeps it as long as the job's state. */
const FILE = 'curves.json';

/** The metrics over time of reported jobs, stored with their jobs. */
export interface KeptCurves {
  /** Takes in a state of a job of this instance. */
  readonly take: (state: JobState) => void;
  /** Drops a job's curves: another instance has the job now. */
  readonly forget: (promptId: string) => void;
  /** A job's curves, from memory and the store; without points if neither has any. Rejects with `StoreUnavailable`. */
  readonly of: (promptId: string) => Promise<Curves>;
  /**
   * Writes curves that have grown, while subscribed to. Emits nothing; a write that failed is reported and repeated.
   */
  readonly kept$: Observable<never>;
  /** Writes all curves that are not written yet. */
  readonly flush: () => Observable<never>;
}

interface Entry {
  readonly curves: Curves;
  /** Whether it includes what earlier holders of the job stored. */
  readonly isWhole: boolean;
  /** Whether the store has, or is being given, just these curves. */
  readonly isKept: boolean;
  readonly hasEnded: boolean;
}

/** Curves by job, with an index of those not written yet and of ended jobs (R17). */
class Entries {
  readonly #all = new Map<string, Entry>();
  readonly #unkept = new Set<string>();
  /** Ended jobs, in the order in which they ended. */
  readonly #ended = new Set<string>();

  get(promptId: string): Entry | undefined {
    return this.#all.get(promptId);
  }

  set(promptId: string, entry: Entry): void {
    this.#all.set(promptId, entry);
    if (entry.isKept) this.#unkept.delete(promptId);
    else this.#unkept.add(promptId);
    if (entry.hasEnded) this.#ended.add(promptId);
  }

  delete(promptId: string): void {
    this.#all.delete(promptId);
    this.#unkept.delete(promptId);
    this.#ended.delete(promptId);
  }

  unkept(): readonly string[] {
    return [...this.#unkept];
  }

  /**
   * Forgets the curves of the jobs that ended first, past `MOST_ENDED`: so many only wait in an outage of the store.
   */
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
  const flush = (): Observable<never> => defer(() => from(entries.unkept())).pipe(mergeMap(write, AT_ONCE));

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
    // A store that is slow is given no job twice: what it has not taken by the next turn waits for the one after.
    kept$: merge(interval(KEPT_MS, clock).pipe(exhaustMap(flush)), ended$.pipe(mergeMap(write, AT_ONCE))),
    flush,
  };
}

/** A job's entry after one more state; `undefined` if that changes nothing. */
function entryAfter(before: Entry | undefined, state: JobState): Entry | undefined {
  const { epoch, startedAt, reported } = state;
  if (reported === undefined) return undefined;
  const { curves: seen, isWhole } = before ?? { curves: noCurves, isWhole: epoch === startedAt };
  const curves = drawn(seen, state);
  const hasEnded = isSettled(state);
  if (curves === seen && !(hasEnded && before !== undefined)) return undefined;
  return { curves, isWhole, isKept: false, hasEnded };
}

const storedCurves = (store: Pick<JobStore, 'file'>, promptId: string): Observable<Curves> =>
  store.file(promptId, FILE).pipe(map((file) => (file === undefined ? noCurves : decodeCurves(file.bytes))));
