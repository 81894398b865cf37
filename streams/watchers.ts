import { Observable, type Subscriber } from 'rxjs';
import type { JobState } from './job-state';

/** The watchers of each job, reached by its id: a change costs what its own watchers cost, not what all do. */
export interface Watchers {
  /** Tells everybody who watches this job. */
  tell(state: JobState): void;
  /** States of one job from subscription on; never completes by itself. */
  changes(promptId: string): Observable<JobState>;
  /** Hands a job's watchers on: the job goes by another id from now on. */
  rename(promptId: string, as: string): void;
}

interface Watched {
  promptId: string;
  readonly subscribers: Set<Subscriber<JobState>>;
}

export function watchers(): Watchers {
  const byJob = new Map<string, Watched>();
  const watched = (promptId: string): Watched => {
    const entry = byJob.get(promptId) ?? { promptId, subscribers: new Set() };
    byJob.set(promptId, entry);
    return entry;
  };
  return {
    tell: (state) => {
      for (const subscriber of [...(byJob.get(state.promptId)?.subscribers ?? [])]) subscriber.next(state);
    },
    changes: (promptId) =>
      new Observable((subscriber) => {
        const entry = watched(promptId);
        entry.subscribers.add(subscriber);
        return () => {
          entry.subscribers.delete(subscriber);
          if (entry.subscribers.size === 0 && byJob.get(entry.promptId) === entry) byJob.delete(entry.promptId);
        };
      }),
    rename: (promptId, as) => {
      const entry = byJob.get(promptId);
      if (entry === undefined) return;
      byJob.delete(promptId);
      byJob.set(as, entry);
      entry.promptId = as;
    },
  };
}
