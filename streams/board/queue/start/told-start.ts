import type { Job } from '../../../job/job';

/** What is left of a time that was told, now that some of it is over. */
const agedMs = (job: Job, at: number): number | undefined =>
  job.state.etaMs === undefined ? undefined : Math.max(0, job.state.etaMs - Math.max(0, at - job.state.updatedAt));

/** Times that differ by less are the same to whoever waits. */
const SAME_MS = 500;

/** Whether another start is to be told, where what was told is counted down by now. */
const isNews = (before: number | undefined, now: number | undefined): boolean =>
  before === undefined || now === undefined ? before !== now : Math.abs(now - before) > Math.max(before / 10, SAME_MS);

/**
 * A waiting job with the time to its start as `etaMs`, where that is another by more than a tenth than what was told,
 * counted down. `known` is the job before the event: where that changed its state anyhow, the time is told anew.
 */
export function withStart(startsIn: number | undefined, job: Job, known: Job, at: number): Job {
  const { etaMs: _, ...state } = job.state;
  if (state.status !== 'queued') return job;
  const etaMs = startsIn === undefined ? undefined : Math.round(startsIn);
  const isTold = job.state !== known.state;
  if (!(isTold ? etaMs !== job.state.etaMs : isNews(agedMs(known, at), etaMs))) return job;
  // One change where the event changed something already.
  const seq = isTold ? state.seq : state.seq + 1;
  return {
    ...job,
    state: { ...state, ...(etaMs !== undefined && { etaMs }), seq, updatedAt: Math.max(at, state.updatedAt) },
  };
}
