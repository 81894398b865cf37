import { defer, retry, switchMap, takeWhile, throwError, timer, type Observable } from 'rxjs';
import { NoAnswer, UnknownJob, isSettled, type JobRequest, type JobState, type Pipeline } from '../../index';
import type { Held } from './held-pipeline';
import { realClock } from './real-clock';

/** Whose the jobs are is the application's to know. */
export const anonymous: Pick<JobRequest, 'type' | 'userId'> = { type: 'image_generation', userId: 'application' };

/** Between looks at a server that does not answer, or does not know the job. */
const LOOK_MS = 1_000;
const MOST_MS = 5_000;
/** A job that so many looks in a row find nowhere, the last over 10 s after the first, is not there (R4). */
const LOOKS = 5;

/** What is being tracked just now. */
const tracking = new WeakMap<Pipeline, Map<string, Promise<JobState>>>();

/** The job as it is now, whoever posted it. Rejects as `Pipeline.track`. Those who ask at once get one answer: it is looked for once. */
export function tracked(pipeline: Pipeline, promptId: string): Promise<JobState> {
  const under = tracking.get(pipeline) ?? new Map<string, Promise<JobState>>();
  tracking.set(pipeline, under);
  const state = under.get(promptId) ?? pipeline.track(promptId, anonymous).finally(() => under.delete(promptId));
  under.set(promptId, state);
  return state;
}

/**
 * A job's states from the present one to its end, whoever posted it, in a pipeline that is held. Waits for a server that
 * does not answer; errors with `UnknownJob` where it goes on not to know the job, `patient` never.
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
