import {
  EMPTY,
  Subject,
  concat,
  defer,
  endWith,
  filter,
  finalize,
  ignoreElements,
  mergeMap,
  of,
  repeat,
  startWith,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import { lost } from '../../streams/job/failures';
import { isAtServer } from '../../streams/job/job';
import { isSettled, runIdOf, type Failure, type JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';
import { isTransient, type Env } from '../env';
import type { Choice } from './choose-server';

/** How long a server that does not answer is asked to stop a run that is no longer followed, ms. */
const STOPPING_MS = 3_600_000;
/**
 * A job that runs on although its server took the request is stopped again each 30 s: a node may swallow the interrupt.
 */
const AGAIN_MS = 30_000;

export interface StoppingParts {
  readonly choice: Pick<Choice, 'of' | 'isHealthy'>;
  readonly board: Pick<BoardView, 'job' | 'changed'>;
  /** The states of a job here, from now on; completes when the job is let go. */
  readonly told: (promptId: string) => Observable<JobState>;
}

/** Asks servers to stop runs, again and again while they do not answer. */
export class Stopping {
  /** The events of jobs that run on after a cancel: each is stopped again every `AGAIN_MS` until it has ended. */
  readonly again$: Observable<BoardEvent>;
  readonly #parts: StoppingParts;
  readonly #env: Env;
  readonly #wanted$ = new Subject<string>();
  /** The jobs that `again$` stops again. */
  readonly #wanted = new Set<string>();
  /**
   * How many unfollowed runs servers are asked to stop now; past 1,000 (`bounds.stops`) no server is asked for one
   * more.
   */
  #stopping = 0;

  constructor(parts: StoppingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
    this.again$ = this.#wanted$.pipe(
      filter((promptId) => !this.#wanted.has(promptId)),
      mergeMap((promptId) => this.#untilGone(promptId)),
    );
  }

  /**
   * Retries until the job's server took the request, or the job has ended; then has the job looked up. If the job is
   * just being posted, `again$` asks once it is at the server.
   */
  job(promptId: string): Observable<BoardEvent> {
    const { clock } = this.#env;
    return concat(
      defer(() => of<BoardEvent>({ tag: 'cancelAsked', promptId, at: clock.now() })),
      defer(() => this.#asked(promptId).pipe(takeUntil(this.#gone(promptId)))),
      this.#suspected(promptId),
    ).pipe(tap({ complete: () => this.#wanted$.next(promptId) }));
  }

  /** Asks for up to `STOPPING_MS` to stop a run whose job has ended here, or was given up on that server. */
  run(at: ComfyUIServer | undefined, runId: string): Observable<never> {
    return defer(() => {
      if (at === undefined || this.#stopping >= bounds.stops) return EMPTY;
      this.#stopping += 1;
      return this.#patiently(this.#told(at, runId)).pipe(
        takeUntil(timer(STOPPING_MS, this.#env.clock)),
        finalize(() => (this.#stopping -= 1)),
      );
    });
  }

  /**
   * Stops the last run of a job that runs again, if that was given up because its server is away: it may go on there.
   */
  lastRun(state: JobState, { kind }: Failure): Observable<never> {
    const { choice } = this.#parts;
    const at = choice.of(state.serverUrl);
    return kind === lost.kind && at !== undefined && !choice.isHealthy(at) ? this.run(at, runIdOf(state)) : EMPTY;
  }

  #untilGone(promptId: string): Observable<BoardEvent> {
    const { board } = this.#parts;
    const { clock } = this.#env;
    this.#wanted.add(promptId);
    const taken$ = board.changed(promptId).pipe(
      startWith(undefined),
      filter(() => this.#isAtServer(promptId)),
      take(1),
      ignoreElements(),
    );
    const asked$ = concat(taken$, this.#asked(promptId), this.#suspected(promptId));
    return timer(this.#isAtServer(promptId) ? AGAIN_MS : 0, clock).pipe(
      mergeMap(() => asked$.pipe(repeat({ delay: () => timer(AGAIN_MS, clock) }))),
      takeUntil(this.#gone(promptId)),
      finalize(() => this.#wanted.delete(promptId)),
    );
  }

  /** Has the job looked up at once. */
  #suspected(promptId: string): Observable<BoardEvent> {
    return defer(() => of<BoardEvent>({ tag: 'suspected', promptId, at: this.#env.clock.now() }));
  }

  #isAtServer(promptId: string): boolean {
    const job = this.#parts.board.job(promptId);
    return job !== undefined && isAtServer(job);
  }

  #asked(promptId: string): Observable<never> {
    const { board, choice } = this.#parts;
    const asked$ = defer(() => {
      const job = board.job(promptId);
      if (job === undefined || !isAtServer(job)) return EMPTY;
      const at = choice.of(job.state.serverUrl);
      return at === undefined ? EMPTY : this.#told(at, runIdOf(job.state));
    });
    return this.#patiently(asked$);
  }

  /** Emits when the job has ended, or is another instance's. */
  #gone(promptId: string): Observable<unknown> {
    const { board, told } = this.#parts;
    if (board.job(promptId) === undefined) return of(undefined);
    return told(promptId).pipe(filter(isSettled), endWith(undefined));
  }

  /** Asks the server once to stop a run. Reports any error. */
  #told(at: ComfyUIServer, runId: string): Observable<never> {
    const { report } = this.#env;
    return defer(() => at.cancel(runId)).pipe(reporting('cancel', report, at.url));
  }

  /** Retries while the server is away. Any other error ends nothing else (R15). */
  #patiently(cancel$: Observable<never>): Observable<never> {
    const { clock, backoff } = this.#env;
    return cancel$.pipe(reconnecting({ backoff, clock, isTransient }), orNothing);
  }
}
