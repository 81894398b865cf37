import { randomUUID } from 'node:crypto';
import { EMPTY, concat, concatMap, defer, filter, from, merge, mergeMap, of, tap, timer, type Observable } from 'rxjs';
import type { Choice } from './choose-server';
import { mayPost, type MayPostParts } from './may-post';
import { overdue, type Overdue } from './overdue';
import {
  afterRemoval,
  ranOutOfMemory,
  rerunMs,
  serverOfNextRun,
  storedRun,
  waitsForRun,
  wasLost,
  workflowOf,
} from './reruns';
import { Stopping, type StoppingParts } from './stopping';
import { endingJob, type StoredJob } from '../demand';
import type { Env } from '../env';
import type { Sessions } from '../sessions/sessions';
import type { JobStore } from '../../sinks/job-store';
import { oncePosted } from '../../sinks/codecs/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { NoAnswer } from '../../sources/rest/no-answer';
import type { Submission } from '../../sources/rest/submission';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { reportedJob } from '../../streams/reports/reported-job';
import { isAtServer, isCancelAsked, jobOf, type Job } from '../../streams/job/job';
import { runIdOf, type Failure, type JobState } from '../../streams/job/job-state';
import { graphOfPrompt, type Graph, type Prompt } from '../../streams/job/workflow';
import { skippingErrors } from '../../streams/operators/reporting';

export interface PostingParts extends StoppingParts {
  readonly choice: Choice;
  readonly sessions: Pick<Sessions, 'own' | 'ready' | 'lease' | 'term' | 'leaseChanged'>;
  readonly board: BoardView;
  readonly store: Pick<JobStore, 'workflow'>;
  readonly writer: Pick<WriteBehind, 'keep' | 'stored' | 'waitingWorkflow'> & MayPostParts['writer'];
}

/** Posting jobs to servers, once or again, and stopping them. */
export interface Posting {
  /** Posts a new job. `stored`: the store has it, so another instance may take it up. `graph` is the workflow's. */
  first(state: JobState, prompt: Prompt, stored: boolean, graph: () => Graph): Observable<BoardEvent>;
  /** Goes on with a stored job; the instance that had it, or an earlier process, may or may not have posted it. */
  takenUp(job: StoredJob): Observable<BoardEvent>;
  /** Posts a job's next run after `rerunMs`, on a healthy server if there is one; frees its memory if that ran out. */
  again(promptId: string, failure: Failure): Observable<BoardEvent>;
  /** Stops a job: retries until the server took the request, or the job has ended. A job not yet posted never is. */
  stop(promptId: string): Observable<BoardEvent>;
  /** Fails the jobs whose time is up and stops their runs; stops again those that run on after a cancel. */
  readonly due$: Observable<BoardEvent>;
}

interface Run {
  readonly promptId: string;
  readonly attempt: number;
  readonly runId: string;
  readonly clientId: string;
  readonly prompt: Prompt;
  /** Whether the store has the job: then another instance may take it up. */
  readonly stored: boolean;
  readonly maybePosted: boolean;
}

class Posts implements Posting {
  readonly due$: Observable<BoardEvent>;
  readonly #parts: PostingParts;
  readonly #env: Env;
  readonly #stopping: Stopping;
  /** Jobs that timed out, or were given up, while a run of them was posted: it is stopped when its post is over. */
  readonly #expired = new Set<string>();

  constructor(parts: PostingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
    this.#stopping = new Stopping(parts, env);
    const overdue$ = overdue(parts.board, parts.sessions, env.clock).pipe(mergeMap((each) => this.#timedOut(each)));
    this.due$ = merge(overdue$, this.#stopping.again$);
  }

  first(state: JobState, prompt: Prompt, stored: boolean, graph: () => Graph): Observable<BoardEvent> {
    return this.#opened(state, prompt, { stored, maybePosted: false }, graph).pipe(endingJob(state, this.#env.clock));
  }

  takenUp(job: StoredJob): Observable<BoardEvent> {
    return defer(() => this.#takenUp(job)).pipe(endingJob(job.state, this.#env.clock));
  }

  again(promptId: string, failure: Failure): Observable<BoardEvent> {
    const { board, sessions } = this.#parts;
    const { clock } = this.#env;
    const state = board.job(promptId)?.state;
    if (state === undefined) return EMPTY;
    const next$ = timer(rerunMs(state.attempt), clock).pipe(
      concatMap(() => concat(sessions.ready(), workflowOf(promptId, this.#parts, this.#env))),
      concatMap((prompt) => this.#nextRun(promptId, failure, prompt)),
    );
    return merge(next$, this.#stopping.lastRun(state, failure)).pipe(endingJob(state, clock));
  }

  stop(promptId: string): Observable<BoardEvent> {
    return this.#stopping.job(promptId);
  }

  #timedOut({ job, failure }: Overdue): Observable<BoardEvent> {
    const { promptId, serverUrl } = job.state;
    const ended: BoardEvent = { tag: 'refused', promptId, at: this.#env.clock.now(), failure };
    if (isAtServer(job))
      return concat(of(ended), this.#stopping.run(this.#parts.choice.of(serverUrl), runIdOf(job.state)));
    if (job.stage.tag !== 'reporting') this.#expired.add(promptId);
    return of(ended);
  }

  #takenUp({ state, workflow }: StoredJob): Observable<BoardEvent> {
    if (state.reported !== undefined) return of({ tag: 'opened', job: reportedJob(state) });
    if (this.#parts.choice.of(state.serverUrl) === undefined && !waitsForRun(state))
      return from(afterRemoval(state, workflow?.prompt, this.#env.clock.now()));
    const graph = (): Graph => graphOfPrompt(workflow?.prompt);
    // A job that is not `queued` was posted, whether or not the server's answer was heard.
    if (workflow?.tag === 'unposted' && state.status === 'queued' && !waitsForRun(state))
      return this.#opened(state, workflow.prompt, { stored: true, maybePosted: true }, graph);
    // The last run has failed, and the next was not posted yet.
    if (waitsForRun(state)) {
      const failed = state.retry?.onLost === undefined ? ranOutOfMemory : wasLost;
      return of({ tag: 'opened', job: jobOf(state, { graph: graph(), failed }) });
    }
    const opened: BoardEvent = { tag: 'opened', job: jobOf(state, { graph: graph(), accepted: true }) };
    // The instance that had the job before was asked to stop it, and may not have done so.
    return state.cancelAskedAt === undefined ? of(opened) : concat(of(opened), this.stop(state.promptId));
  }

  #opened(
    state: JobState,
    prompt: Prompt,
    how: Pick<Run, 'stored' | 'maybePosted'>,
    graph: () => Graph,
  ): Observable<BoardEvent> {
    return concat(
      defer(() => of<BoardEvent>({ tag: 'opened', job: jobOf(state, { graph: graph() }) })),
      defer(() => {
        const { promptId, attempt, clientId = '', serverUrl, type } = state;
        const run: Run = { promptId, attempt, runId: runIdOf(state), clientId, prompt, ...how };
        return this.#posted(this.#parts.choice.asked(serverUrl, type), run);
      }),
    );
  }

  /** Posts a job's next run; fails the job if no server takes its type, or its whole workflow is no longer stored. */
  #nextRun(promptId: string, failure: Failure, prompt: Prompt | undefined): Observable<BoardEvent> {
    const { choice, sessions, board, writer } = this.#parts;
    const { clock, report } = this.#env;
    const job = board.job(promptId);
    if (job?.stage.tag !== 'betweenRuns') return EMPTY;
    const at = serverOfNextRun(job.state, choice);
    if (at === undefined || prompt === undefined) return of({ tag: 'refused', promptId, at: clock.now(), failure });
    const runId = randomUUID();
    const clientId = sessions.own(at.url);
    const next$ = defer(() => {
      writer.keep(promptId, { tag: 'unposted', prompt });
      return of<BoardEvent>({ tag: 'posting', promptId, runId, clientId, serverUrl: at.url, at: clock.now() });
    });
    const freed$ = failure.kind === 'out_of_memory' ? at.free().pipe(skippingErrors('free', report, at.url)) : EMPTY;
    const { attempt } = job.state;
    const run: Run = { promptId, attempt, runId, clientId, prompt, stored: true, maybePosted: false };
    return concat(freed$, next$, storedRun(runId, this.#parts, clock), this.#posted(at, run));
  }

  /** Posts one run of a job, and stops it right away if the job was cancelled meanwhile. */
  #posted(at: ComfyUIServer, run: Run): Observable<BoardEvent> {
    let id: string | undefined;
    let { maybePosted } = run;
    const onTrouble = ({ maybeSent }: NoAnswer): void => void (maybePosted ||= maybeSent);
    const note = (event: BoardEvent): void => {
      if (event.tag === 'accepted') id = event.runId ?? run.runId;
      // Given up without an answer: the server may have it all the same, and run it.
      if (event.tag === 'refused' && maybePosted && isUnanswered(event.failure)) this.#expired.add(run.promptId);
    };
    return concat(
      at.submit({ ...this.#submission(run), onTrouble }).pipe(
        tap(note),
        // An answer that comes after its run was given up must not be taken for one about the next run.
        filter(() => !this.#isSuperseded(run)),
      ),
      defer(() => this.#afterPost(at, run, id)),
    );
  }

  #submission(run: Run): Submission {
    const { board } = this.#parts;
    const { promptId, runId, clientId, prompt, maybePosted } = run;
    return {
      promptId: runId,
      clientId,
      prompt,
      maybePosted,
      since: board.job(promptId)?.state.startedAt ?? 0,
      linked: () => board.session(clientId)?.open === true,
      cancelAsked: () => {
        const job = this.#jobOfRun(run);
        return job !== undefined && isCancelAsked(job);
      },
      // A run whose frames came before the answer to its post is at the server: no further post.
      wanted: () => this.#isHeld(run) && this.#jobOfRun(run)?.stage.tag === 'posting',
      ...mayPost(run, this.#parts, this.#env),
    };
  }

  /** What is left to do after a post; `accepted` is the id under which the server took the run, if it did. */
  #afterPost(at: ComfyUIServer, run: Run, accepted: string | undefined): Observable<BoardEvent> {
    const { promptId, runId } = run;
    if (this.#expired.delete(promptId)) return this.#stopping.run(at, accepted ?? runId);
    if (this.#isSuperseded(run))
      return accepted === undefined || this.#hasEnded(promptId) ? EMPTY : this.#stopping.run(at, accepted);
    const job = this.#jobOfRun(run);
    if (job === undefined) return EMPTY;
    // Another instance took the session while the job was being posted.
    if (!this.#isHeld(run)) return of<BoardEvent>({ tag: 'released', promptId });
    // No longer `unposted`: an instance that takes the job up from here on must not post it again.
    if (isAtServer(job)) this.#parts.writer.keep(promptId, oncePosted(run.prompt, job.state.retry !== undefined));
    return isCancelAsked(job) ? this.stop(promptId) : EMPTY;
  }

  #jobOfRun({ promptId, attempt }: Run): Job | undefined {
    const job = this.#parts.board.job(promptId);
    return job?.state.attempt === attempt ? job : undefined;
  }

  /** Whether a later run of the same job has begun. */
  #isSuperseded({ promptId, attempt }: Run): boolean {
    return (this.#parts.board.job(promptId)?.state.attempt ?? attempt) > attempt;
  }

  /** Whether the job's last run is over for certain: it ran out of memory. A lost one was only given up. */
  #hasEnded(promptId: string): boolean {
    const stage = this.#parts.board.job(promptId)?.stage;
    return stage?.tag === 'betweenRuns' && stage.failure.kind === 'out_of_memory';
  }

  #isHeld({ clientId }: Run): boolean {
    return this.#parts.sessions.lease(clientId) !== 'none';
  }
}

const isUnanswered = ({ kind, retryable }: Failure): boolean => kind === 'unreachable' && retryable;

/** Posts the jobs of one instance. */
export const posting = (parts: PostingParts, env: Env): Posting => new Posts(parts, env);
