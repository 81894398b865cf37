import type { SchedulerLike, Subscription } from 'rxjs';
import { isSettled, type JobState } from '../../streams/job/job-state';

/** Settled states that are written once more, after a while: a Redis that dies, or fails over, may lose what it acknowledged. */
export interface Confirmations {
  /** A settled state was written. */
  readonly later: (state: JobState) => void;
  /** Whether a state was written before, and this is the second time. */
  readonly isConfirmed: (state: JobState) => boolean;
  /** Whether a job's end is still to be written for the second time. */
  readonly awaits: (promptId: string) => boolean;
  /** Writes all of these ends now, and later once more: the store may have lost them. */
  readonly again: () => void;
  /** A job is not to be confirmed any more. */
  readonly noMore: (promptId: string) => void;
  readonly close: () => void;
}

/** Hands each settled state to `write` after so long; never where `afterMs` is 0. One timer for all: each waits as long. */
export function confirmations(write: (state: JobState) => void, afterMs: number, clock: SchedulerLike): Confirmations {
  const confirmed = new WeakSet<JobState>();
  /** In the order in which they are due. */
  const waiting = new Map<string, { readonly state: JobState; readonly dueAt: number }>();
  let timer: Subscription | undefined;
  const watch = (): void => {
    const [first] = waiting.values();
    if (first !== undefined) timer ??= clock.schedule(confirm, Math.max(0, first.dueAt - clock.now()));
  };
  const confirm = (): void => {
    timer = undefined;
    for (const [promptId, { state, dueAt }] of waiting) {
      if (dueAt > clock.now()) break;
      waiting.delete(promptId);
      confirmed.add(state);
      write(state);
    }
    watch();
  };
  return {
    isConfirmed: (state) => confirmed.has(state),
    later: (state) => {
      if (afterMs === 0 || !isSettled(state)) return;
      waiting.delete(state.promptId);
      waiting.set(state.promptId, { state, dueAt: clock.now() + afterMs });
      watch();
    },
    awaits: (promptId) => waiting.has(promptId),
    again: () => {
      for (const [promptId, each] of [...waiting]) {
        confirmed.add(each.state);
        write(each.state);
        waiting.set(promptId, each);
      }
      watch();
    },
    noMore: (promptId) => void waiting.delete(promptId),
    close: () => {
      waiting.clear();
      timer?.unsubscribe();
    },
  };
}
