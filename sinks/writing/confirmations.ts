import type { SchedulerLike, Subscription } from 'rxjs';
import { isSettled, type JobState } from '../../streams/job/job-state';
import { KeptEnds } from './kept-ends';

/**
 * Has settled states written a second time, after a while: a Redis that dies or fails over may lose acknowledged
 * writes. Keeps them for longer, as one that is started again may have only what it had minutes ago.
 */
export interface Confirmations {
  /** Call when a state was stored: if it is settled, and that was its first write, its second is due in `afterMs`. */
  readonly later: (state: JobState) => void;
  /** Call when a state was refused as stale. Returns whether that was a further write of one that was stored before. */
  readonly refused: (state: JobState) => boolean;
  /** A job's settled state, if `again` would write it. */
  readonly of: (promptId: string) => JobState | undefined;
  /** Writes all settled states that are kept, as the store may have lost them. Second writes stay due. */
  readonly again: () => void;
  /** Forgets a job: a newer state of it is there. */
  readonly forget: (promptId: string) => void;
  readonly close: () => void;
}

interface Ended {
  readonly state: JobState;
  readonly dueAt: number;
}

/**
 * Hands each settled state to `write` after `afterMs`; never where that is 0. One timer serves all, since all wait
 * equally long.
 */
export function confirmations(write: (state: JobState) => void, afterMs: number, clock: SchedulerLike): Confirmations {
  const confirmed = new WeakSet<JobState>();
  /** By `promptId`, in the order in which they are due. */
  const waiting = new Map<string, Ended>();
  const kept = new KeptEnds(clock);
  let timer: Subscription | undefined;
  const watch = (): void => {
    const [first] = waiting.values();
    if (first !== undefined) timer ??= clock.schedule(confirm, Math.max(0, first.dueAt - clock.now()));
  };
  const rewrite = (state: JobState): void => {
    confirmed.add(state);
    write(state);
  };
  const confirm = (): void => {
    timer = undefined;
    for (const [promptId, { state, dueAt }] of waiting) {
      if (dueAt > clock.now()) break;
      waiting.delete(promptId);
      rewrite(state);
      kept.add(state);
    }
    watch();
  };
  const forget = (promptId: string): void => {
    waiting.delete(promptId);
    kept.forget(promptId);
  };
  return {
    refused: (state) => {
      if (confirmed.has(state)) forget(state.promptId);
      return confirmed.has(state);
    },
    later: (state) => {
      if (afterMs === 0 || !isSettled(state) || confirmed.has(state)) return;
      waiting.delete(state.promptId);
      waiting.set(state.promptId, { state, dueAt: clock.now() + afterMs });
      watch();
    },
    of: (promptId) => waiting.get(promptId)?.state ?? kept.of(promptId),
    again: () => {
      for (const each of kept.all()) {
        rewrite(each.state);
        kept.put(each);
      }
      for (const [promptId, each] of [...waiting]) {
        rewrite(each.state);
        waiting.set(promptId, each);
      }
      watch();
    },
    forget,
    close: () => {
      waiting.clear();
      timer?.unsubscribe();
    },
  };
}
