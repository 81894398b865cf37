import {
  EMPTY,
  concat,
  concatMap,
  defer,
  firstValueFrom,
  map,
  merge,
  of,
  takeUntil,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { UnknownJob, type ListQuery } from '../api';
import { isOnPage, pageOf, positionOf, type JobPage, type JobQuery } from '../../sinks/listing/job-page';
import { StoreUnavailable, type JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { BoardView } from '../../streams/board/board';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { StoreSight } from './store-sight';
import { neverBackward } from '../../streams/operators/never-backward';
import type { Attempted } from '../../streams/operators/reporting';
import type { Watchers } from '../../streams/maps/keyed-watchers';

const PAGE = 50;
const MAX_PAGE = 500;
/** How long `get` waits for a state to be stored before it returns the state, ms. */
const STORED_MS = 500;

export interface ReadParts {
  readonly board: Pick<BoardView, 'job' | 'jobs'>;
  readonly local: Watchers<JobState>;
  readonly writer: WriteBehind;
  readonly store: JobStore;
  readonly sight: Pick<StoreSight, 'wasAway'>;
  readonly attempted: Attempted;
  readonly clock: SchedulerLike;
}

/** What an instance answers about any job: its own jobs as they are now, others as they are stored. */
export interface Reads {
  /** As `get`, without the wait until the state is stored: for callers that act on the state. */
  present(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  get(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  list(query?: ListQuery): Promise<JobPage>;
  /**
   * Whether an end that the job reached here counts. It does not if another instance had taken the job: the write was
   * refused (R11), and the stored state is unsettled. Rejects with `StoreUnavailable`.
   */
  stands(promptId: string): Promise<boolean>;
  watch(promptId: string): Observable<JobState>;
}

type IsShown = (state: JobState) => boolean;

class PresentReads implements Reads {
  readonly #parts: ReadParts;

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  async present(promptId: string, isShown: IsShown = () => true): Promise<JobState | undefined> {
    const state = this.#here(promptId);
    return state !== undefined && isShown(state) ? state : firstValueFrom(this.#shown(promptId, isShown));
  }

  get(promptId: string, isShown: IsShown = () => true): Promise<JobState | undefined> {
    const state$ = defer(() => {
      const state = this.#here(promptId);
      if (state !== undefined && isShown(state)) return this.#stored(state);
      // A job that is here and not shown costs a question to the store, as an unknown one does: neither the answer nor
      // its time shows that it exists (R14).
      return this.#shown(promptId, isShown);
    });
    return firstValueFrom(state$);
  }

  /**
   * A page of the store, in which this instance's jobs are as they are now and those not yet stored are added. If the
   * store does not answer, only this instance's jobs (R12).
   */
  async list({ limit = PAGE, ...wanted }: ListQuery = {}): Promise<JobPage> {
    const { attempted, store } = this.#parts;
    const query = { ...wanted, limit: Math.min(limit, MAX_PAGE) };
    if (query.cursor !== undefined) positionOf(query.cursor);
    const stored = await firstValueFrom(attempted(store.page(query)), { defaultValue: undefined });
    if (stored === undefined) return this.#pageOfHere(query);
    const { jobs, cursor } = pageOf(this.#asTheyAre(stored, query), query);
    const next = cursor ?? stored.cursor;
    const { totals, read } = stored;
    return { jobs, totals, ...(next !== undefined && { cursor: next }), ...(read !== undefined && { read }) };
  }

  async stands(promptId: string): Promise<boolean> {
    const stored = await firstValueFrom(this.#parts.store.get(promptId));
    return stored === undefined || isSettled(stored);
  }

  watch(promptId: string): Observable<JobState> {
    const { board, local, store } = this.#parts;
    return defer(() => {
      const here$ = defer(() => {
        const live = board.job(promptId);
        return live === undefined ? EMPTY : merge(local.changes(promptId), of(live.state));
      });
      // Another instance watches the job, or this one let it go; this one may still take it up later, so both are
      // heard.
      const anywhere$ = defer(() => merge(local.changes(promptId), store.changes(promptId), this.#known(promptId)));
      return concat(here$, anywhere$);
    }).pipe(neverBackward());
  }

  #shown(promptId: string, isShown: IsShown): Observable<JobState | undefined> {
    return this.#parts.store.get(promptId).pipe(
      map((state) => (state !== undefined && isShown(state) ? state : undefined)),
      concatMap((state) => (state === undefined ? this.#nowhere() : of(state))),
    );
  }

  /**
   * A store without a job proves that there is none only if it takes writes and was not away a moment ago; one that is
   * full, or a replica now, lacks the jobs that other instances have begun since. Else errors with `StoreUnavailable`.
   */
  #nowhere(): Observable<undefined> {
    const { store, sight } = this.#parts;
    return store.healthy().pipe(
      map((isWell) => {
        const why = isWell ? sight.wasAway() && 'was away a moment ago' : 'takes no writes';
        if (why !== false) throw new StoreUnavailable(`the store ${why}: whether there is such a job is not known`);
        return undefined;
      }),
    );
  }

  #here(promptId: string): JobState | undefined {
    return this.#parts.board.job(promptId)?.state ?? this.#parts.writer.waiting(promptId);
  }

  /**
   * Waits up to `STORED_MS` until the state is stored: after a crash the instance that takes the job up then shows no
   * older state than a reader has seen.
   */
  #stored(state: JobState): Observable<JobState> {
    return concat(this.#untilStored(state), of(state));
  }

  #untilStored(state: JobState): Observable<never> {
    const { writer, clock } = this.#parts;
    return writer.stored(state).pipe(takeUntil(timer(STORED_MS, clock)));
  }

  /** The present state. An end that waits to be written is told no sooner than to those who watched before it. */
  #known(promptId: string): Observable<JobState> {
    const { writer } = this.#parts;
    const ended$ = defer(() => {
      const waiting = writer.waiting(promptId);
      return waiting !== undefined && isSettled(waiting) ? this.#untilStored(waiting) : EMPTY;
    });
    return concat(ended$, writer.get(promptId)).pipe(
      concatMap((state) => (state === undefined ? this.#nowhere() : of(state))),
      map((state) => {
        if (state === undefined) throw new UnknownJob('no such job');
        return state;
      }),
    );
  }

  #pageOfHere(query: JobQuery): JobPage {
    const { board, writer } = this.#parts;
    const here = [...writer.unwritten(), ...[...board.jobs.values()].map(({ state }) => state)];
    const page = pageOf([...new Map(here.map((state) => [state.promptId, state])).values()], query);
    return { ...page, partial: true };
  }

  /** The states of a stored page as they are now here, and those that belong on it and are not stored yet. */
  #asTheyAre(stored: JobPage, query: JobQuery): readonly JobState[] {
    const { writer } = this.#parts;
    const states = new Map(stored.jobs.map((state) => [state.promptId, state]));
    for (const state of writer.unwritten())
      if (isOnPage(state, query, stored.cursor)) states.set(state.promptId, state);
    for (const promptId of states.keys()) {
      const here = this.#here(promptId);
      if (here !== undefined) states.set(promptId, here);
    }
    return [...states.values()];
  }
}

/** The reads of one instance: from memory first, then from the store. */
export const readsOf = (parts: ReadParts): Reads => new PresentReads(parts);
