import { randomUUID } from 'node:crypto';
import {
  EMPTY,
  concat,
  concatMap,
  defer,
  filter,
  interval,
  map,
  mergeMap,
  of,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Choice } from './choose-server';
import { endingJob, type StoredJob } from '../demand';
import { isTransient, type Env } from '../env';
import type { Sessions } from '../sessions/sessions';
import type { JobStore } from '../../sinks/job-store';
import { oncePosted, type StoredWorkflow } from '../../sinks/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { timedOut } from '../../streams/job/failures';
import { isAtServer, isCancelAsked, jobOf, type Job } from '../../streams/job/job';
import { runIdOf, type Failure, type JobState } from '../../streams/job/job-state';
import { graphOfPrompt, type Prompt } from '../../streams/job/workflow';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';

/** How often is seen whether a cancelled job has ended, or a job's time is up. Costs no request. */
const TICK_MS = 250;
/** How long the run of a job whose time was up is asked to stop. */
const STOPPING_MS = 60_000;
/** How long the next run waits to be stored: a store that is away holds up no job (R12). */
const STORED_MS = 10_000;

export interface PostingParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own' | 'lease'>;
  readonly board: BoardView;
  readonly store: Pick<JobStore, 'workflow'>;
  readonly writer: Pick<WriteBehind, 'keep' | 'stored'>;
}

/** Posting jobs to servers, once or again, and stopping them. */
export interface Posting {
  /** Posts a new job; `stored` where the store has it, so that others may take it up. */
  readonly first: (state: JobState, prompt: Prompt, stored: boolean) => Observable<BoardEvent>;
  /** Goes on with a job that another instance, or an earlier run, may have posted, or not. */
  readonly takenUp: (job: StoredJob) => Observable<BoardEvent>;
  /** Posts a job's next run: after a while, on a server that answers, with its memory freed if that was short. */
  readonly again: (promptId: string, failure: Failure) => Observable<BoardEvent>;
  /** Stops a job: asks until the server was asked, or the job has ended. One that was not accepted yet is not posted. */
  readonly stop: (promptId: string) => Observable<BoardEvent>;
  /** Ends the jobs whose time is up, and stops their runs. */
  readonly overdue$: Observable<BoardEvent>;
}

/** One run of a job, to be posted. */
interface Run {
  readonly promptId: string;
  readonly attempt: number;
  readonly runId: string;
  readonly clientId: string;
  readonly prompt: Prompt;
  /** Whether others may know of it, by the store. */
  readonly stored: boolean;
  readonly maybePosted: boolean;
}

export function posting(parts: PostingParts, env: Env): Posting {
  const { choice, sessions, board, store, writer } = parts;
  const { clock, backoff, report } = env;
  const untilDone = { backoff, clock, isTransient };
  /** Runs whose jobs' time was up: one that is on its way to its server is stopped when it has arrived. */
  const expired = new Set<string>();

  const jobOfRun = ({ promptId, attempt }: Run): Job | undefined => {
    const job = board.job(promptId);
    return job?.state.attempt === attempt ? job : undefined;
  };
  const isHeld = ({ clientId }: Run): boolean => sessions.lease(clientId) !== 'none';

  /** Posts one run of a job, and stops it right away if that was asked for meanwhile. */
  const posted = (at: ComfyUIServer, run: Run): Observable<BoardEvent> => {
    const { runId, clientId, prompt, maybePosted } = run;
    const submission = {
      ...{ promptId: runId, clientId, prompt, maybePosted },
      linked: () => board.session(clientId)?.open === true,
      cancelAsked: () => {
        const job = jobOfRun(run);
        return job !== undefined && isCancelAsked(job);
      },
      /** A run whose frames came before its answer needs no other post. */
      wanted: () => isHeld(run) && jobOfRun(run)?.stage.tag === 'posting',
      // What nobody else knows of, nobody else posts.
      mayPost: () => !run.stored || sessions.lease(clientId) === 'certain',
    };
    let id = runId;
    const note = (event: BoardEvent): void => {
      if (event.tag === 'accepted') id = event.runId ?? id;
    };
    return concat(
      at.submit(submission).pipe(tap(note)),
      defer(() => afterPost(at, run, id)),
    );
  };

  const afterPost = (at: ComfyUIServer, run: Run, id: string): Observable<BoardEvent> => {
    if (expired.delete(run.promptId)) return stoppingRun(at, id);
    const job = jobOfRun(run);
    if (job === undefined) return EMPTY;
    const { promptId } = run;
    // Taken over while it was on its way here from the store.
    if (!isHeld(run)) return of<BoardEvent>({ tag: 'released', promptId });
    // From here on, who takes the job up has no need to post it.
    if (isAtServer(job)) writer.keep(promptId, oncePosted(run.prompt, job.state.retry !== undefined));
    return isCancelAsked(job) ? stop(promptId) : EMPTY;
  };

  const stoppingRun = (at: ComfyUIServer | undefined, runId: string): Observable<never> =>
    at === undefined
      ? EMPTY
      : defer(() => at.cancel(runId)).pipe(
          reporting('cancel', report),
          reconnecting(untilDone),
          takeUntil(timer(STOPPING_MS, clock)),
        );

  const opened = (state: JobState, prompt: Prompt, how: Pick<Run, 'stored' | 'maybePosted'>): Observable<BoardEvent> =>
    concat(
      defer(() => of<BoardEvent>({ tag: 'opened', job: jobOf(state, { graph: graphOfPrompt(prompt) }) })),
      defer(() => {
        const { promptId, attempt, clientId = '', serverUrl, type } = state;
        const run: Run = { promptId, attempt, runId: runIdOf(state), clientId, prompt, ...how };
        return posted(choice.asked(serverUrl, type), run);
      }),
    );

  const takenUp = ({ state, workflow }: StoredJob): Observable<BoardEvent> => {
    // What was seen to run was posted, whether or not the answer to that was heard.
    if (workflow?.tag === 'unposted' && state.status === 'queued' && !waitsForRun(state))
      return opened(state, workflow.prompt, { stored: true, maybePosted: true });
    const graph = graphOfPrompt(workflow?.prompt);
    // Its last run has failed, and the next was not posted yet.
    if (waitsForRun(state)) {
      const failed = state.retry?.onLost === undefined ? ranOutOfMemory : wasLost;
      return of({ tag: 'opened', job: jobOf(state, { graph, failed }) });
    }
    return of({ tag: 'opened', job: jobOf(state, { graph, accepted: true }) });
  };

  /** The next run of a job, from its workflow. */
  const nextRun = (promptId: string, failure: Failure, prompt: Prompt | undefined): Observable<BoardEvent> => {
    const job = board.job(promptId);
    if (job?.stage.tag !== 'betweenRuns') return EMPTY;
    const { serverUrl, type, attempt } = job.state;
    const before = choice.of(serverUrl);
    // The server asked for may be one that is not for this type.
    const at = before !== undefined && choice.isHealthy(before) ? before : (choice.preferred(type) ?? before);
    if (at === undefined || prompt === undefined) return of({ tag: 'refused', promptId, at: clock.now(), failure });
    const runId = randomUUID();
    const clientId = sessions.own(at.url);
    const next$ = defer(() => {
      writer.keep(promptId, { tag: 'unposted', prompt });
      return of<BoardEvent>({ tag: 'posting', promptId, runId, clientId, serverUrl: at.url, at: clock.now() });
    });
    const freed$ = failure.kind === 'out_of_memory' ? at.free().pipe(reporting('free', report), orNothing) : EMPTY;
    // Stored before it is posted: whoever takes the job up after a crash looks for this run, and makes no other.
    const stored$ = defer(() => {
      const run = board.run(runId);
      return run === undefined ? EMPTY : writer.stored(run.state).pipe(takeUntil(timer(STORED_MS, clock)));
    });
    const run: Run = { promptId, attempt, runId, clientId, prompt, stored: true, maybePosted: false };
    return concat(freed$, next$, stored$, posted(at, run));
  };

  const again: Posting['again'] = (promptId, failure) => {
    const state = board.job(promptId)?.state;
    if (state === undefined) return EMPTY;
    const workflow$ = store.workflow(promptId).pipe(reporting('store', report), reconnecting(untilDone), map(wholeOf));
    return timer(rerunMs(state.attempt), clock).pipe(
      concatMap(() => workflow$),
      concatMap((prompt) => nextRun(promptId, failure, prompt)),
      endingJob(state, clock),
    );
  };

  const stop: Posting['stop'] = (promptId) => {
    const asked$ = defer(() => {
      const job = board.job(promptId);
      return job !== undefined && isAtServer(job)
        ? (choice.of(job.state.serverUrl)?.cancel(runIdOf(job.state)) ?? EMPTY)
        : EMPTY;
    });
    return concat(
      defer(() => of<BoardEvent>({ tag: 'cancelAsked', promptId, at: clock.now() })),
      asked$.pipe(
        reporting('cancel', report),
        reconnecting(untilDone),
        takeUntil(interval(TICK_MS, clock).pipe(filter(() => board.job(promptId) === undefined))),
      ),
      // It was asked, so one look tells.
      defer(() => of<BoardEvent>({ tag: 'suspected', promptId, at: clock.now() })),
    );
  };

  const overdue$ = interval(TICK_MS, clock).pipe(
    mergeMap(() => board.overdue(clock.now())),
    mergeMap((job): Observable<BoardEvent> => {
      const { state } = job;
      const { promptId, serverUrl } = state;
      const accepted = isAtServer(job);
      if (!accepted) expired.add(promptId);
      const ended: BoardEvent = { tag: 'refused', promptId, at: clock.now(), failure: timedOut };
      return concat(of(ended), accepted ? stoppingRun(choice.of(serverUrl), runIdOf(state)) : EMPTY);
    }),
  );

  return {
    first: (state, prompt, stored) =>
      opened(state, prompt, { stored, maybePosted: false }).pipe(endingJob(state, clock)),
    takenUp: (job) => defer(() => takenUp(job)).pipe(endingJob(job.state, clock)),
    again,
    stop,
    overdue$,
  };
}

const waitsForRun = ({ attempt, runId }: JobState): boolean => attempt > 1 && runId === undefined;

/** An outline cannot be run. */
const wholeOf = (workflow: StoredWorkflow | undefined): Prompt | undefined =>
  workflow?.tag === 'outline' ? undefined : workflow?.prompt;

/** The second run comes after 1 s, the next ones after 2, 4, 8, 16. */
const rerunMs = (attempt = 2): number => 1_000 * 2 ** Math.min(4, Math.max(0, attempt - 2));

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
