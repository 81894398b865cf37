import { Observable, type Subscriber } from 'rxjs';
import type { JobState } from './job-state';

/** The watchers of each job, reached by its id: a change costs what its own watchers cost, not what all do. */
export interface Watchers {
  /** Tells everybody who watches this job. */
  tell(state: JobState): void;
  /** States of one job from subscription on; never completes by itself. */
  changes(promptId: string): Observable<JobState>;
}

export function watchers(): Watchers {
  const byJob = new Map<string, Set<Subscriber<JobState>>>();
  return {
    tell: (state) => {
      for (const subscriber of [...(byJob.get(state.promptId) ?? [])]) subscriber.next(state);
    },
    changes: (promptId) =>
      new Observable((subscriber) => {
        const subscribers = byJob.get(promptId) ?? new Set();
        byJob.set(promptId, subscribers.add(subscriber));
        return () => {
          subscribers.delete(subscriber);
          if (subscribers.size === 0) byJob.delete(promptId);
        };
      }),
  };
}
