import {
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  tap,
  throwError,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { UnreadableState, type JobStore } from '../sinks/job-store';
import type { StoredWorkflow } from '../sinks/stored-workflow.codec';
import type { SessionKey } from '../sinks/leases';
import type { Backoff } from '../streams/operators/backoff';
import type { Board, BoardEvent } from '../streams/board/board';
import { jobOf } from '../streams/job/job';
import { sessionOf, type Failure, type JobState } from '../streams/job/job-state';
import { reconnecting } from '../streams/operators/reconnecting';
import { orNothing, reporting, type Report } from '../streams/operators/reporting';
import { graphOfPrompt, type Prompt } from '../streams/job/workflow';

/** Jobs claimed in one go. */
const CLAIMS = 64;

export interface TakingUpParts {
  readonly store: JobStore;
  readonly board: Board;
  readonly isServed: (serverUrl: string) => boolean;
  /** Whether a session is held here. */
  readonly isHeld: (clientId: string) => boolean;
  /** The session under which jobs of a server are watched that have none. */
  readonly own: (serverUrl: string) => string;
  /** Whether a job is on its way from the store to the board: it is no orphan, though nobody watches it yet. */
  readonly isComing: (promptId: string) => boolean;
  /** Posts a job that may have been posted before, or not. */
  readonly resumed: (state: JobState, prompt: Prompt) => Observable<BoardEvent>;
  readonly backoff: Backoff;
  readonly clock: SchedulerLike;
  readonly report: Report;
}

/** Jobs of sessions that are held here, from the store to the board. */
export interface TakingUp {
  /** Takes up every unsettled job of the store that is ours to watch and that we do not watch yet. Waits for a store that is down. */
  readonly all$: Observable<Batch>;
  /** Whether no job is on its way here. */
  readonly isIdle: () => boolean;
}

/** What was taken up in one go. */
export interface Batch {
  readonly states: readonly JobState[];
  readonly command$: Observable<BoardEvent>;
}

/** A job that is ours from here on, and what was kept of its workflow. */
interface Claim {
  readonly state: JobState;
  readonly kept: StoredWorkflow | undefined;
}

export function takingUp(parts: TakingUpParts): TakingUp {
  const { store, board, isServed, isHeld, own, isComing, resumed, backoff, clock, report } = parts;
  /** Jobs between the store and the board, on their way here. */
  const claiming = new Set<string>();

  const isUnwatched = (promptId: string): boolean =>
    board.job(promptId) === undefined && !isComing(promptId) && !claiming.has(promptId);

  const unwatched = (strays: Map<string, SessionKey>): Observable<JobState> =>
    store.live().pipe(
      filter((state) => isServed(state.serverUrl) && isUnwatched(state.promptId)),
      tap((state) => {
        const clientId = sessionOf(state) ?? '';
        if (clientId !== '' && !isHeld(clientId)) strays.set(clientId, { clientId, serverUrl: state.serverUrl });
      }),
      map((state) => (sessionOf(state) === undefined ? { ...state, session: own(state.serverUrl) } : state)),
      filter((state) => isHeld(sessionOf(state) ?? '')),
    );

  /**
   * A session that was idle may have been forgotten, and then posted under by who had slept through that and is gone by
   * now: it is found by its jobs.
   */
  const noted = (strays: ReadonlyMap<string, SessionKey>): Observable<never> =>
    from(strays.values()).pipe(
      mergeMap((session) => store.leases.note(session), CLAIMS),
      reporting('lease', report),
      orNothing,
    );

  const stored = (promptId: string): Observable<JobState | undefined> =>
    store
      .get(promptId)
      .pipe(
        catchError((error: unknown) => (error instanceof UnreadableState ? of(undefined) : throwError(() => error))),
      );
  /** What an old server's id took the place of: nobody was told of it, and only a crash left it there. */
  function isLeftOver({ attempt, runId }: JobState): Observable<boolean> {
    return attempt > 1 || runId === undefined ? of(false) : stored(runId).pipe(map((state) => state !== undefined));
  }
  const takenOrRemoved = (state: JobState): Observable<Claim> =>
    isLeftOver(state).pipe(
      concatMap((isOver) => (isOver ? store.remove(state.promptId).pipe(ignoreElements()) : claimed(state))),
    );

  /** Ours from here on, unless it has ended since it was read, or is another's by now: then nobody here is to see it go on (R1). */
  function claimed(state: JobState): Observable<Claim> {
    const at = clock.now();
    const ours = { ...state, epoch: Math.max(state.epoch + 1, at), updatedAt: at };
    return store.put(ours).pipe(
      filter((outcome) => outcome === 'stored'),
      concatMap(() =>
        store.workflow(state.promptId).pipe(reporting('recovery', report), orNothing, defaultIfEmpty(undefined)),
      ),
      map((kept) => ({ state: ours, kept })),
    );
  }

  function openedAgain({ state, kept }: Claim): Observable<BoardEvent> {
    const { attempt, runId, retry } = state;
    const graph = graphOfPrompt(kept?.prompt);
    // Its last run has failed, and the next was not posted yet.
    if (attempt > 1 && runId === undefined) {
      const runAgain = retry?.onLost === undefined ? ranOutOfMemory : wasLost;
      return of({ tag: 'opened', job: { ...jobOf(state, { graph }), runAgain } });
    }
    // What was seen to run was posted, whether or not the answer to that was heard.
    if (kept?.tag === 'unposted' && state.status === 'queued') return resumed(state, kept.prompt);
    return of({ tag: 'opened', job: jobOf(state, { graph, accepted: true }) });
  }

  const all$ = defer(() => {
    const mine = new Set<string>();
    const strays = new Map<string, SessionKey>();
    return unwatched(strays).pipe(
      tap(({ promptId }) => {
        claiming.add(promptId);
        mine.add(promptId);
      }),
      mergeMap(takenOrRemoved, CLAIMS),
      toArray(),
      concatMap((claims) => concat(of(claims), noted(strays))),
      finalize(() => mine.forEach((promptId) => claiming.delete(promptId))),
    );
  }).pipe(
    reporting('recovery', report),
    reconnecting(backoff, clock),
    map((claims): Batch => ({
      states: claims.map(({ state }) => state),
      command$: from(claims).pipe(mergeMap(openedAgain)),
    })),
  );

  return { all$, isIdle: () => claiming.size === 0 };
}

/** What a job that waits for its next run failed of: its state no longer says. */
const ranOutOfMemory: Failure = {
  kind: 'out_of_memory',
  message: 'The last run ran out of memory, and the workflow is no longer kept to be run again.',
  retryable: true,
};
const wasLost: Failure = {
  kind: 'lost',
  message: 'The last run was lost, and the workflow is no longer kept to be run again.',
  retryable: true,
};
