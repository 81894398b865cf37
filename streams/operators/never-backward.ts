import { defer, filter, map, takeWhile, type MonoTypeOperatorFunction } from 'rxjs';
import { isNewer, isSettled, type JobState } from '../job/job-state';

/** The fields that say how far a job is. */
type Stage = Pick<JobState, 'epoch' | 'seq' | 'status' | 'progress' | 'attempt'>;

/**
 * Passes one job's states in order: drops one that is no newer than the last, and completes with the settled one. A new
 * owner goes on from the stored state, which may be behind the last one seen: `progress` and `attempt` then stay, and
 * `queued` is dropped after `processing` of the same run.
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

/**
 * The state with `progress` and `attempt` no less than before; the same object if they are not, as caches are keyed by
 * it.
 */
function noLessThan<S extends Stage>(last: Stage | undefined, state: S): S {
  const { progress = 0, attempt = 0 } = last ?? {};
  if (state.progress >= progress && state.attempt >= attempt) return state;
  return { ...state, progress: Math.max(state.progress, progress), attempt: Math.max(state.attempt, attempt) };
}

const waitsAgain = (state: Stage, last: Stage): boolean =>
  state.status === 'queued' && last.status === 'processing' && state.attempt <= last.attempt;
