import type { ServerStatus } from '../../pipeline/api';
import type { JobState } from '../../streams/job/job-state';
import { publicJob, type KnownServer, type PublicJob } from './public-job';

/** Turns stored states into what a caller is sent. */
export interface JobViews {
  /**
   * The state as this role gets it. Always the same object for a state and role, so that it is encoded once for all
   * readers.
   */
  of(state: JobState, viewer: { readonly role: 'user' | 'service' }): PublicJob;
}

/** Makes views in which users see the servers' names in place of their URLs. */
export function jobViews(servers: () => readonly Pick<ServerStatus, 'url' | 'name'>[]): JobViews {
  const views = { user: new WeakMap<JobState, PublicJob>(), service: new WeakMap<JobState, PublicJob>() };
  let known: readonly KnownServer[] | undefined;
  return {
    of(state, { role }) {
      const before = views[role].get(state);
      if (before !== undefined) return before;
      // Servers and their names do not change after the start.
      known ??= servers().map(({ url, name }) => ({ url, name }));
      const job = publicJob(state, known, role);
      views[role].set(state, job);
      return job;
    },
  };
}
