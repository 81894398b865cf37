import type { SchedulerLike } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';

/** The newest state of each job that is not stored yet, and since when the job has had one. */
export interface UnwrittenStates {
  readonly get: (promptId: string) => JobState | undefined;
  readonly put: (state: JobState) => void;
  /** Call when a write of this state has ended. If the job has a newer state, that one waits from now on. */
  readonly tried: (state: JobState) => void;
  readonly all: () => readonly JobState[];
  readonly size: () => number;
  /** How long the job that has waited longest has waited, ms; 0 if none waits. */
  readonly oldestMs: () => number;
}

export function unwrittenStates(clock: SchedulerLike): UnwrittenStates {
  const states = new Map<string, JobState>();
  /** By `promptId`, in the order in which they began to wait: the first has waited longest. */
  const since = new Map<string, number>();
  return {
    get: (promptId) => states.get(promptId),
    put: (state) => {
      states.set(state.promptId, state);
      if (!since.has(state.promptId)) since.set(state.promptId, clock.now());
    },
    tried: (state) => {
      const { promptId } = state;
      const isNewest = states.get(promptId) === state;
      if (isNewest) states.delete(promptId);
      if (since.delete(promptId) && !isNewest) since.set(promptId, clock.now());
    },
    all: () => [...states.values()],
    size: () => states.size,
    oldestMs: () => {
      const [oldest] = since.values();
      return oldest === undefined ? 0 : Math.max(0, clock.now() - oldest);
    },
  };
}
