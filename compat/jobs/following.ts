import { defer, retry, switchMap, takeWhile, throwError, timer, type Observable } from 'rxjs';
import { NoAnswer, UnknownJob, isSettled, type JobRequest, type JobState, type Pipeline } from '../../index';
import type { Held } from './held-pipeline';
import { realClock } from './real-clock';

/** Only the application knows whose the jobs are: here they are all of one user. */
export const anonymous: Pick<JobRequest, 'type' | 'userId'> = { type: 'image_generation', userId: 'application' };

/** How long between two looks at a server that does not answer, or does not know the job, ms: at first, and at most. */
const LOOK_MS = 1_000;
const MOST_MS = 5_000;
/** A job that this many looks in a row do not find, the last over 10 s after the first, is unknown (R4). */
const LOOKS = 5;

/** The calls of `Pipeline.track` under way. */
const tracking = new WeakMap<Pipeline, Map<string, Promise<JobState>>>();

/** The job as it is now, whoever posted it. Rejects as `Pipeline.track`. Calls at the same time share one. */
export function tracked(pipeline: Pipeline, promptId: string): Promise<JobState> {
  const under = tracking.get(pipeline) ?? new Map<string, Promise<JobState>>();
  tracking.set(pipeline, under);
  const state = under.get(promptId) ?? pipeline.track(promptId, anonymous).finally(() => under.delete(promptId));
  under.set(promptId, state);
  return state;
}

/**
 * A job's states from the present one to its end, whoever posted it, in a pipeline that is held. Waits for a server
 * that does not answer. Errors with `UnknownJob` after `LOOKS` looks that do not find the job; never if `patient`.
 */
export function following({ pipeline }: Held, promptId: string, { patient = false } = {}): Observable<JobState> {
  return defer(() => {
    let missed = 0;
    const delay = (error: unknown, tries: number): Observable<unknown> => {
      const isMissing = error instanceof UnknownJob;
      missed = isMissing ? missed + 1 : 0;
      const isOver = isMissing ? !patient && missed >= LOOKS : !(error instanceof NoAnswer);
      return isOver ? throwError(() => error) : timer(Math.min(LOOK_MS * 2 ** (tries - 1), MOST_MS), realClock);
    };
    return defer(() => tracked(pipeline, promptId)).pipe(
      retry({ delay }),
      switchMap((state) => pipeline.watch(state.promptId)),
      takeWhile((state) => !isSettled(state), true),
    );
  });
}
