import { defer, filter, map, takeWhile, type MonoTypeOperatorFunction } from 'rxjs';
import { isNewer, isSettled, type JobState } from '../job/job-state';

/** The fields that say how far a job is. */
type Stage = Pick<JobState, 'epoch' | 'seq' | 'status' | 'progress' | 'attempt'>;

/**
 * One job's states in order: drops what is no newer than what was seen, completes with the settled one. A new owner
 * starts from the last stored state, which may be a little behind what was shown before: that is not shown again.
 */
export const neverBackward =
  <S extends Stage>(): MonoTypeOperatorFunction<S> =>
  (state$) =>
    defer(() => {
      let last: S | undefined;
      return state$.pipe(
        filter((state) => last === undefined || (isNewer(state, last) && !waitsAgain(state, last))),
        map((state) => (last = noLessThan(last, state))),
        takeWhile((state) => !isSettled(state), true),
      );
    });

/** The very state where it is no less: what is made of one is made once for all its readers. */
function noLessThan<S extends Stage>(last: Stage | undefined, state: S): S {
  const { progress = 0, attempt = 0 } = last ?? {};
  if (state.progress >= progress && state.attempt >= attempt) return state;
  return { ...state, progress: Math.max(state.progress, progress), attempt: Math.max(state.attempt, attempt) };
}

const waitsAgain = (state: Stage, last: Stage): boolean =>
  state.status === 'queued' && last.status === 'processing' && state.attempt <= last.attempt;
