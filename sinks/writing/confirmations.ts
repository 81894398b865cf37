import type { SchedulerLike, Subscription } from 'rxjs';
import { isSettled, type JobState } from '../../streams/job/job-state';

/**
 * Has settled states written a second time, after a while: a Redis that dies or fails over may lose acknowledged
 * writes.
 */
export interface Confirmations {
  /** Call when a state was stored: if it is settled, its second write is due in `afterMs`. */
  readonly later: (state: JobState) => void;
  /** Whether a state was handed to `write` for its second write. */
  readonly isConfirmed: (state: JobState) => boolean;
  /** Whether a job's settled state still waits for its second write. */
  readonly awaits: (promptId: string) => boolean;
  /** Writes all waiting states now, and again when they are due: the store may have lost them. */
  readonly again: () => void;
  /** Cancels a job's second write. */
  readonly noMore: (promptId: string) => void;
  readonly close: () => void;
}

/**
 * Hands each settled state to `write` after `afterMs`; never where that is 0. One timer serves all, since all wait
 * equally long.
 */
export function confirmations(write: (state: JobState) => void, afterMs: number, clock: SchedulerLike): Confirmations {
  const confirmed = new WeakSet<JobState>();
  /** By `promptId`, in the order in which they are due. */
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
