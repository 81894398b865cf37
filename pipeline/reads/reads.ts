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
import type { Board } from '../../streams/board/board';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { StoreSight } from './store-sight';
import { neverBackward } from '../../streams/operators/never-backward';
import type { Watchers } from '../../streams/operators/keyed-watchers';

const PAGE = 50;
const MAX_PAGE = 500;
/** A reader waits up to 500 ms for a state to be stored before it is given it. */
const STORED_MS = 500;

export interface ReadParts {
  readonly board: Board;
  readonly local: Watchers<JobState>;
  readonly writer: WriteBehind;
  readonly store: JobStore;
  readonly sight: Pick<StoreSight, 'wasAway'>;
  /** Turns what the store cannot do now into a report. */
  readonly attempted: <T>(work$: Observable<T>) => Observable<T>;
  readonly clock: SchedulerLike;
}

/** What any instance answers about any job: its own as they are now, others as they are stored. */
export interface Reads {
  /** The present state like `get`, without its wait for the store: for callers that act on it. */
  present(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  get(promptId: string, isShown?: (state: JobState) => boolean): Promise<JobState | undefined>;
  list(query?: ListQuery): Promise<JobPage>;
  /**
   * Whether an end that was reached here, and written, is the job's: not where another instance had taken the job, so that
   * the end was refused (R11). Rejects with `StoreUnavailable`.
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
      // What is here and not shown is asked for as what is nowhere, so that neither answer nor time tells of it (R14).
      return this.#shown(promptId, isShown);
    });
    return firstValueFrom(state$);
  }

  /**
   * A page of the store, with each job that lives here as it is now, and what is not stored yet; those alone where the
   * store does not answer (R12).
   */
  async list({ limit = PAGE, ...wanted }: ListQuery = {}): Promise<JobPage> {
    const { attempted, store } = this.#parts;
    const query = { ...wanted, limit: Math.min(limit, MAX_PAGE) };
    if (query.cursor !== undefined) positionOf(query.cursor);
    const stored = await firstValueFrom(attempted(store.page(query)), { defaultValue: undefined });
    if (stored === undefined) return this.#pageOfHere(query);
    const { jobs, cursor } = pageOf(this.#asTheyAre(stored, query), { ...wanted, limit: query.limit });
    const next = cursor ?? stored.cursor;
    return { jobs, totals: stored.totals, ...(next !== undefined && { cursor: next }) };
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
      // The job is watched elsewhere, or was let go here: it may also be taken up here later.
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
   * A store that is read and takes no writes, full or a replica now, does not have what others began meanwhile, nor has one that was
   * away a moment ago: it cannot tell that a job is none (R12).
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

  /** Waits up to 500 ms until the state is stored, so that after a crash whoever takes the job up shows no less than a reader saw. */
  #stored(state: JobState): Observable<JobState> {
    const { writer, clock } = this.#parts;
    return concat(writer.stored(state).pipe(takeUntil(timer(STORED_MS, clock))), of(state));
  }

  #known(promptId: string): Observable<JobState> {
    return this.#parts.writer.get(promptId).pipe(
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

  /** The states of a stored page as they are now, and those that belong on it and are not stored yet. */
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

/** Reads of one instance: memory first, then the store. */
export const readsOf = (parts: ReadParts): Reads => new PresentReads(parts);
