import { Observable, type Subscriber } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import type { Viewer } from '../admission/auth/auth';

/**
 * The viewers who watch all jobs, by user, so that a change is passed to the viewers who may see it, and checks no
 * others.
 */
export interface ListenersByUser {
  tell(state: JobState): void;
  /** The changes that this viewer may see, from now on. */
  heardBy(viewer: Viewer): Observable<JobState>;
}

type Hearers = Set<Subscriber<JobState>>;

export function listenersByUser(): ListenersByUser {
  const services: Hearers = new Set();
  const users = new Map<string, Hearers>();
  const hearersLike = ({ role, userId }: Viewer): Hearers => {
    if (role === 'service') return services;
    const hearers = users.get(userId) ?? new Set();
    users.set(userId, hearers);
    return hearers;
  };
  return {
    tell(state) {
      for (const hearer of [...services, ...(users.get(state.userId) ?? [])]) hearer.next(state);
    },
    heardBy: (viewer) =>
      new Observable((hearer) => {
        const hearers = hearersLike(viewer).add(hearer);
        return () => {
          hearers.delete(hearer);
          if (hearers.size === 0 && users.get(viewer.userId) === hearers) users.delete(viewer.userId);
        };
      }),
  };
}
