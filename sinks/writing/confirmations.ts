import type { SchedulerLike, Subscription } from 'rxjs';
import { isSettled, type JobState } from '../../streams/job/job-state';

/** Settled states that are written a second time later: a Redis that dies, or fails over, may lose a write that it acknowledged. */
export interface Confirmations {
  /** A settled state was written. */
  readonly later: (state: JobState) => void;
  /** Whether a state was written before, and this is the second time. */
  readonly isConfirmed: (state: JobState) => boolean;
  /** A job is not to be confirmed any more. */
  readonly noMore: (promptId: string) => void;
  readonly close: () => void;
}

/** Calls `write` with each settled state after `afterMs`; never where that is 0. */
export function confirmations(write: (state: JobState) => void, afterMs: number, clock: SchedulerLike): Confirmations {
  const confirmed = new WeakSet<JobState>();
  const waiting = new Map<string, Subscription>();
  const noMore = (promptId: string): void => {
    waiting.get(promptId)?.unsubscribe();
    waiting.delete(promptId);
  };
  return {
    isConfirmed: (state) => confirmed.has(state),
    later: (state) => {
      if (afterMs === 0 || !isSettled(state)) return;
      const confirm = clock.schedule(() => {
        waiting.delete(state.promptId);
        confirmed.add(state);
        write(state);
      }, afterMs);
      waiting.set(state.promptId, confirm);
    },
    noMore,
    close: () => [...waiting.keys()].forEach(noMore),
  };
}
