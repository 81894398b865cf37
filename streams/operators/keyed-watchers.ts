import { Observable, type Subscriber } from 'rxjs';
import type { JobState } from '../job/job-state';

/** The watchers of each job, reached by its id: a change costs what its own watchers cost, not what all do. */
export interface Watchers {
  /** Tells everybody who watches this job. */
  tell(state: JobState): void;
  /** States of one job from subscription on; completes when it is released. */
  changes(promptId: string): Observable<JobState>;
  /** Ends all watching of a job here: it is another's now. */
  release(promptId: string): void;
  /** Hands a job's watchers on: the job goes by another id from now on. */
  rename(promptId: string, as: string): void;
}

export function watchers(): Watchers {
  const byJob = new Map<string, Set<Subscriber<JobState>>>();
  const watched = new Map<Subscriber<JobState>, string>();
  const add = (promptId: string, subscriber: Subscriber<JobState>): void => {
    byJob.set(promptId, (byJob.get(promptId) ?? new Set()).add(subscriber));
    watched.set(subscriber, promptId);
  };
  const remove = (subscriber: Subscriber<JobState>): void => {
    const promptId = watched.get(subscriber) ?? '';
    const subscribers = byJob.get(promptId);
    subscribers?.delete(subscriber);
    if (subscribers?.size === 0) byJob.delete(promptId);
    watched.delete(subscriber);
  };
  return {
    tell: (state) => {
      for (const subscriber of [...(byJob.get(state.promptId) ?? [])]) subscriber.next(state);
    },
    changes: (promptId) =>
      new Observable((subscriber) => {
        add(promptId, subscriber);
        return () => remove(subscriber);
      }),
    release: (promptId) => {
      for (const subscriber of [...(byJob.get(promptId) ?? [])]) subscriber.complete();
    },
    rename: (promptId, as) => {
      for (const subscriber of [...(byJob.get(promptId) ?? [])]) {
        remove(subscriber);
        add(as, subscriber);
      }
    },
  };
}
