import { defer, filter, map, takeWhile, type MonoTypeOperatorFunction } from 'rxjs';
import { isNewer, isSettled, type JobState } from '../job/job-state';

/**
 * One job's states in order: drops what is no newer than what was seen, completes with the settled one. A new owner
 * starts from the last stored state, which may be a little behind what was shown before: that is not shown again.
 */
export const neverBackward = (): MonoTypeOperatorFunction<JobState> => (state$) =>
  defer(() => {
    let last: JobState | undefined;
    return state$.pipe(
      filter(
        (state) => last === undefined || isRenamed(state, last) || (isNewer(state, last) && !waitsAgain(state, last)),
      ),
      map((state) => (last = noLessThan(last, state))),
      takeWhile((state) => !isSettled(state), true),
    );
  });

const noLessThan = (last: JobState | undefined, state: JobState): JobState => ({
  ...state,
  progress: Math.max(state.progress, last?.progress ?? 0),
  attempt: Math.max(state.attempt, last?.attempt ?? 0),
});

const waitsAgain = (state: JobState, last: JobState): boolean =>
  state.status === 'queued' && last.status === 'processing' && state.attempt <= last.attempt;

/** An old server's id for the job begins an order of its own. */
const isRenamed = (state: JobState, last: JobState): boolean => state.promptId !== last.promptId;
