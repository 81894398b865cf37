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

/** A server that does not answer is asked for an hour to stop the run of a job that is no longer followed there. */
const STOPPING_MS = 3_600_000;
/** A job that runs on though its server took the wish is asked for again after 30 s: a node may swallow the interrupt. */
const AGAIN_MS = 30_000;

export interface StoppingParts {
  readonly choice: Pick<Choice, 'of' | 'isHealthy'>;
  readonly board: Pick<BoardView, 'job' | 'changed'>;
  /** The states of a job here, from now on; completes when the job is let go. */
  readonly told: (promptId: string) => Observable<JobState>;
}

/** Asking servers to stop runs, again and again while they do not answer. */
export class Stopping {
  /** Jobs that run on after they were to be stopped, asked for again and again until they have ended. */
  readonly again$: Observable<BoardEvent>;
  readonly #parts: StoppingParts;
  readonly #env: Env;
  readonly #wanted$ = new Subject<string>();
  /** The jobs of `again$`. */
  readonly #wanted = new Set<string>();
  /** Runs that are no longer followed, `bounds.stops` at most: of one more, the server is not asked. */
  #stopping = 0;

  constructor(parts: StoppingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
    this.again$ = this.#wanted$.pipe(
      filter((promptId) => !this.#wanted.has(promptId)),
      mergeMap((promptId) => this.#untilGone(promptId)),
    );
  }

  /** Asks until the job's server was asked, or the job has ended; then one look tells. Of one that is being posted, `again$` asks once it runs. */
  job(promptId: string): Observable<BoardEvent> {
    const { clock } = this.#env;
    return concat(
      defer(() => of<BoardEvent>({ tag: 'cancelAsked', promptId, at: clock.now() })),
      defer(() => this.#asked(promptId).pipe(takeUntil(this.#gone(promptId)))),
      this.#suspected(promptId),
    ).pipe(tap({ complete: () => this.#wanted$.next(promptId) }));
  }

  /** Asks for `STOPPING_MS` to stop a run whose job has ended here, or was given up there. */
  run(at: ComfyUIServer | undefined, runId: string): Observable<never> {
    return defer(() => {
      if (at === undefined || this.#stopping >= bounds.stops) return EMPTY;
      this.#stopping += 1;
      return this.#patiently(defer(() => at.cancel(runId))).pipe(
        takeUntil(timer(STOPPING_MS, this.#env.clock)),
        finalize(() => (this.#stopping -= 1)),
      );
    });
  }

  /** Of a job that runs again: where its server was given up because it did not answer, the last run may go on there. */
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

  /** One look is to tell what became of it. */
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
      return choice.of(job.state.serverUrl)?.cancel(runIdOf(job.state)) ?? EMPTY;
    });
    return this.#patiently(asked$);
  }

  /** Emits when the job has ended, or is another instance's. */
  #gone(promptId: string): Observable<unknown> {
    const { board, told } = this.#parts;
    if (board.job(promptId) === undefined) return of(undefined);
    return told(promptId).pipe(filter(isSettled), endWith(undefined));
  }

  /** What can never be asked is told, and ends nothing (R15). */
  #patiently(cancel$: Observable<never>): Observable<never> {
    const { clock, backoff, report } = this.#env;
    return cancel$.pipe(reporting('cancel', report), reconnecting({ backoff, clock, isTransient }), orNothing);
  }
}
