import {
  EMPTY,
  concat,
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
import { isOnPage, pageOf, positionOf, type JobPage } from '../../sinks/listing/job-page';
import type { JobStore } from '../../sinks/job-store';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { Board } from '../../streams/board/board';
import type { JobState } from '../../streams/job/job-state';
import { neverBackward } from '../../streams/operators/never-backward';
import type { Watchers } from '../../streams/operators/keyed-watchers';

const PAGE = 50;
const MAX_PAGE = 500;
/** How long a reader waits for a state to be stored that is about to be told. */
const STORED_MS = 500;

export interface AnswerParts {
  readonly board: Board;
  readonly local: Watchers<JobState>;
  readonly writer: WriteBehind;
  readonly store: JobStore;
  /** Turns what the store cannot do now into a report. */
  readonly attempted: <T>(work$: Observable<T>) => Observable<T>;
  readonly clock: SchedulerLike;
}

/** What any instance answers about any job: its own as they are now, others as they are stored. */
export interface Answers {
  /** As `get`, for whoever acts on it and passes nothing on. */
  readonly present: (promptId: string) => Promise<JobState | undefined>;
  readonly get: (promptId: string, isShown?: (state: JobState) => boolean) => Promise<JobState | undefined>;
  readonly list: (query?: ListQuery) => Promise<JobPage>;
  readonly watch: (promptId: string) => Observable<JobState>;
}

export function answers({ board, local, writer, store, attempted, clock }: AnswerParts): Answers {
  const here = (promptId: string): JobState | undefined => board.job(promptId)?.state ?? writer.waiting(promptId);
  const get$ = (promptId: string, isShown: (state: JobState) => boolean): Observable<JobState | undefined> =>
    defer(() => {
      const state = here(promptId);
      if (state !== undefined && isShown(state)) return stored(state);
      // What is here and not shown is asked for as what is nowhere, so that neither answer nor time tells of it (R14).
      return store.get(promptId).pipe(map((state) => (state !== undefined && isShown(state) ? state : undefined)));
    });
  /** What somebody was told is stored before: after a crash, whoever takes the job up tells no less. Not waited for where the store is slow. */
  const stored = (state: JobState): Observable<JobState> =>
    concat(writer.stored(state).pipe(takeUntil(timer(STORED_MS, clock))), of(state));

  const watch = (promptId: string): Observable<JobState> =>
    defer(() => {
      const here$ = defer(() => {
        const live = board.job(promptId);
        return live === undefined ? EMPTY : merge(local.changes(promptId), of(live.state));
      });
      const present$ = writer.get(promptId).pipe(
        map((state) => {
          if (state === undefined) throw new UnknownJob('no such job');
          return state;
        }),
      );
      // Elsewhere, or from its end here on: what is taken up here later is told here as well.
      const anywhere$ = defer(() => merge(local.changes(promptId), store.changes(promptId), present$));
      return concat(here$, anywhere$);
    }).pipe(neverBackward());

  /**
   * A page of the store, with each job that lives here as it is now, and what is not stored yet; those alone where the
   * store does not answer (R12).
   */
  async function list({ limit = PAGE, ...wanted }: ListQuery = {}): Promise<JobPage> {
    const query = { ...wanted, limit: Math.min(limit, MAX_PAGE) };
    if (query.cursor !== undefined) positionOf(query.cursor);
    const stored = await firstValueFrom(attempted(store.page(query)), { defaultValue: undefined });
    if (stored === undefined) {
      const here = [...writer.unwritten(), ...[...board.jobs.values()].map(({ state }) => state)];
      return pageOf([...new Map(here.map((state) => [state.promptId, state])).values()], query);
    }
    const states = new Map(stored.jobs.map((state) => [state.promptId, state]));
    for (const state of writer.unwritten())
      if (isOnPage(state, query, stored.cursor)) states.set(state.promptId, state);
    for (const promptId of states.keys()) {
      const live = board.job(promptId);
      if (live !== undefined) states.set(promptId, live.state);
    }
    const { jobs, cursor } = pageOf([...states.values()], { ...wanted, limit: query.limit });
    const next = cursor ?? stored.cursor;
    return { jobs, totals: stored.totals, ...(next !== undefined && { cursor: next }) };
  }

  return {
    present: async (promptId) => here(promptId) ?? firstValueFrom(store.get(promptId)),
    get: (promptId, isShown = () => true) => firstValueFrom(get$(promptId, isShown)),
    list,
    watch,
  };
}
