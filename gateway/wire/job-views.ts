import type { ServerStatus } from '../../pipeline/api';
import type { JobState } from '../../streams/job/job-state';
import { publicJob, type KnownServer, type PublicJob } from './public-job';

/** Jobs as those who ask are told of them. */
export interface JobViews {
  /** A state as users get it, or services; the same object each time, which is encoded once for all who get it. */
  of(state: JobState, viewer: { readonly role: 'user' | 'service' }): PublicJob;
}

/** By the names that these servers have. */
export function jobViews(servers: () => readonly Pick<ServerStatus, 'url' | 'name'>[]): JobViews {
  const views = { user: new WeakMap<JobState, PublicJob>(), service: new WeakMap<JobState, PublicJob>() };
  let known: readonly KnownServer[] | undefined;
  return {
    of(state, { role }) {
      const before = views[role].get(state);
      if (before !== undefined) return before;
      // Which they are, and what they are called, is settled at the start.
      known ??= servers().map(({ url, name }) => ({ url, name }));
      const job = publicJob(state, known, role);
      views[role].set(state, job);
      return job;
    },
  };
}
