import { defer, filter, takeWhile, type MonoTypeOperatorFunction } from 'rxjs';
import { isNewer, isSettled, type JobState } from './job-state';

/** One job's states in order: drops what is no newer than what was seen, completes with the settled one. */
export const neverBackward = (): MonoTypeOperatorFunction<JobState> => (state$) =>
  defer(() => {
    let last: JobState | undefined;
    return state$.pipe(
      filter((state) => last === undefined || isNewer(state, last)),
      takeWhile((state) => {
        last = state;
        return !isSettled(state);
      }, true),
    );
  });
