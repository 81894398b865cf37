import { EMPTY, concat, defer, endWith, filter, of, takeUntil, timer, type Observable } from 'rxjs';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { isAtServer } from '../../streams/job/job';
import { isSettled, runIdOf, type JobState } from '../../streams/job/job-state';
import { reconnecting } from '../../streams/operators/reconnecting';
import { orNothing, reporting } from '../../streams/operators/reporting';
import { isTransient, type Env } from '../env';
import type { Choice } from './choose-server';

/** For how long a server is asked to stop the run of a job that timed out. */
const STOPPING_MS = 60_000;

export interface StoppingParts {
  readonly choice: Pick<Choice, 'of'>;
  readonly board: Pick<BoardView, 'job'>;
  /** The states of a job here, from now on; completes when the job is let go. */
  readonly told: (promptId: string) => Observable<JobState>;
}

/** Asking servers to stop runs, again and again while they do not answer. */
export class Stopping {
  readonly #parts: StoppingParts;
  readonly #env: Env;

  constructor(parts: StoppingParts, env: Env) {
    this.#parts = parts;
    this.#env = env;
  }

  /** Asks until the job's server was asked, or the job has ended; then one look tells. */
  job(promptId: string): Observable<BoardEvent> {
    const { clock } = this.#env;
    return concat(
      defer(() => of<BoardEvent>({ tag: 'cancelAsked', promptId, at: clock.now() })),
      defer(() => this.#asked(promptId).pipe(takeUntil(this.#gone(promptId)))),
      defer(() => of<BoardEvent>({ tag: 'suspected', promptId, at: clock.now() })),
    );
  }

  /** Asks for `STOPPING_MS` to stop a run whose job has ended here. */
  run(at: ComfyUIServer | undefined, runId: string): Observable<never> {
    if (at === undefined) return EMPTY;
    return this.#patiently(defer(() => at.cancel(runId))).pipe(takeUntil(timer(STOPPING_MS, this.#env.clock)));
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
