import { randomUUID } from 'node:crypto';
import {
  EMPTY,
  ReplaySubject,
  concat,
  concatMap,
  defer,
  finalize,
  firstValueFrom,
  lastValueFrom,
  merge,
  of,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Answers } from './reads';
import { onlyOnce, type Identity } from './idempotent-submit';
import type { JobRequest, SubmitRequest } from './api';
import type { Runs } from './posting';
import type { JobStore } from '../sinks/job-store';
import { oncePosted, type StoredWorkflow } from '../sinks/stored-workflow.codec';
import { promptOf } from './prompt';
import { StaleState, type WriteBehind } from '../sinks/write-behind';
import type { Backoff } from '../streams/operators/backoff';
import type { BoardEvent } from '../streams/board/board';
import { queuedState } from '../streams/job/job';
import type { JobState, RetryPolicy } from '../streams/job/job-state';
import { reconnecting } from '../streams/operators/reconnecting';
import { reporting, type Report } from '../streams/operators/reporting';

/** How long a caller waits for a job's new id to be stored. */
const MOVE_MS = 2_000;

export interface SubmissionParts {
  readonly store: JobStore;
  readonly writer: WriteBehind;
  readonly posting: Runs;
  /** The client id under which jobs are posted to a server. */
  readonly own: (serverUrl: string) => string;
  readonly asked: Answers;
  /** Runs a command to its end, or for as long as a caller waits. */
  readonly run: (command$: Observable<BoardEvent>) => Promise<void>;
  readonly tell: (event: BoardEvent) => void;
  /** Called with a job's state that was refused: the job is another instance's. */
  readonly letGoOf: (state: JobState) => void;
  readonly attempted: <T>(work$: Observable<T>) => Observable<T>;
  readonly backoff: Backoff;
  readonly clock: SchedulerLike;
  readonly report: Report;
}

/** From a request to a job that is stored, posted, and goes by the id that its caller is told. */
export interface Submissions {
  readonly submit: (request: SubmitRequest) => Promise<JobState>;
  /**
   * A job that nobody was told of goes by an old server's id from now on. What is stored under its first id names that:
   * whoever finds both after a crash knows which is left over.
   */
  readonly move: (promptId: string, state: JobState) => void;
  /** Whether a job is stored, or about to be, and not on the board yet, or no more under this id. */
  readonly isComing: (promptId: string) => boolean;
}

export function submissions(parts: SubmissionParts): Submissions {
  const { store, writer, posting, own, asked, run, tell, letGoOf, attempted, backoff, clock, report } = parts;
  const once = onlyOnce({ store, get: asked.get, clock, attempted });
  const coming = new Set<string>();
  const beingPosted = new Set<string>();
  /** By their first ids, the jobs that go by another one as soon as that is stored. */
  const moving = new Map<string, Observable<void>>();

  async function submit(request: SubmitRequest): Promise<JobState> {
    if (request.once === undefined) return submitAs(request);
    posting.server(request.server, request.type);
    return once(request.once, (as) => submitAs(request, as));
  }

  /** Under a given identity it is safe to repeat, here and elsewhere: who stores the state first posts, nobody else does. */
  async function submitAs(request: SubmitRequest, as?: Identity): Promise<JobState> {
    const prompt = promptOf(request);
    const { url } = posting.server(request.server, request.type);
    const retry = retryOf(request);
    const promptId = as?.promptId ?? randomUUID();
    const state: JobState = {
      ...newState(promptId, url, request, as?.at ?? clock.now()),
      clientId: own(url),
      ...(retry !== undefined && { retry }),
    };
    coming.add(promptId);
    // Stored before it is posted, so that no crash can lose it, with its workflow, for whoever finds it unposted.
    const workflow: StoredWorkflow = { tag: 'unposted', prompt };
    const put$ = as === undefined ? attempted(store.put(state, workflow)) : EMPTY;
    const outcome = await lastValueFrom(put$, { defaultValue: undefined });
    if (as === undefined && outcome === undefined) writer.keep(promptId, workflow);
    const posted$ = posting.first(state, prompt, as !== undefined || outcome !== undefined);
    const running = run(as === undefined ? posted$ : storedFirst(state, workflow, posted$));
    coming.delete(promptId);
    await running;
    // An old server's id is one to come back with, after a crash as well.
    await firstValueFrom(merge(moving.get(promptId) ?? of(undefined), timer(MOVE_MS, clock)));
    const present = (await asked.get(promptId)) ?? state;
    tell({ tag: 'told', promptId: present.promptId });
    return present;
  }

  /**
   * Posts a job that is stored by nobody else. While the store does not answer, it is asked again: only it can tell.
   * Nothing while this very job is at that already.
   */
  function storedFirst(
    state: JobState,
    workflow: StoredWorkflow,
    posted$: Observable<BoardEvent>,
  ): Observable<BoardEvent> {
    const { promptId } = state;
    return defer(() => {
      if (beingPosted.has(promptId)) return EMPTY;
      beingPosted.add(promptId);
      return store.put(state, workflow).pipe(
        reporting('store', report),
        reconnecting(backoff, clock),
        concatMap((outcome) => (outcome === 'stored' ? posted$ : EMPTY)),
        finalize(() => beingPosted.delete(promptId)),
      );
    });
  }

  function move(promptId: string, state: JobState): void {
    const done = new ReplaySubject<void>(1);
    moving.set(promptId, done);
    const marked$ = defer(() => store.put({ ...state, promptId, runId: state.promptId })).pipe(
      tap((outcome) => {
        if (outcome === 'stored') return;
        letGoOf(state);
        throw new StaleState(state);
      }),
    );
    const put$ = store
      .workflow(promptId)
      .pipe(concatMap((kept) => store.put(state, kept && oncePosted(kept.prompt, state.retry !== undefined))));
    const moved$ = concat(writer.undone(promptId), marked$, put$, writer.remove(promptId));
    const over = (): void => {
      moving.delete(promptId);
      done.next();
    };
    writer.before(state.promptId, moved$.pipe(tap({ complete: over })));
  }

  return {
    submit,
    move,
    isComing: (promptId) => coming.has(promptId) || beingPosted.has(promptId) || moving.has(promptId),
  };
}

/** A job's first state. */
export const newState = (
  promptId: string,
  serverUrl: string,
  { type, userId, characterId, metadata }: JobRequest,
  at: number,
): JobState =>
  queuedState({
    ...{ promptId, type, userId, serverUrl, at },
    ...(characterId !== undefined && { characterId }),
    ...(metadata !== undefined && { metadata }),
  });

/** One run, unless the request says otherwise. */
function retryOf({ onLost, maxAttempts = onLost === undefined ? 1 : 3 }: SubmitRequest): RetryPolicy | undefined {
  return maxAttempts > 1 ? { maxAttempts, ...(onLost !== undefined && { onLost }) } : undefined;
}
