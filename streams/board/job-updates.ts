import type { JobEvent } from '../job/job-event';
import { lookedUpAt, lookedUpBy, notWhole, type Job } from '../job/job';
import type { JobState } from '../job/job-state';
import type { Timing } from '../job/timing';
import { addressedByJob } from './board-event';

/** The job with a state that the board itself changed, and that is told. */
export const restated = (job: Job, state: JobState, at: number): Job => ({
  ...job,
  state: { ...state, seq: state.seq + 1, updatedAt: Math.max(at, state.updatedAt) },
});

/** Its server has been silent since then. */
export const silenced = (job: Job, since: number, at: number): Job =>
  restated(job, { ...job.state, via: 'polling', silentSince: since }, at);

/** The server is silent no more, where the event is the server's word. */
export const spoken = (job: Job, { tag, at }: JobEvent): Job => {
  if (job.state.silentSince === undefined || addressedByJob.has(tag)) return job;
  const { silentSince: _, ...state } = job.state;
  return restated(job, state, at);
};

/** R6: whatever was missed before its socket opened, one look tells. */
export const linkedAt = (job: Job, at: number): Job => lookedUpAt({ ...job, linked: true }, at);

/** Its socket is gone: what comes from now on is not the whole of it, and polling takes over. */
export const unlinkedAt = (job: Job, at: number, { takeoverMs }: Timing): Job =>
  lookedUpBy(notWhole({ ...job, linked: false }), at + takeoverMs);
