import type { Job } from '../../../job/job';

/** What is left of a time to a start that was told, now that some of it is over. */
export const countedDown = ({ state: { etaMs, updatedAt } }: Job, at: number): number | undefined =>
  etaMs === undefined ? undefined : Math.max(0, etaMs - Math.max(0, at - updatedAt));

/** Times that differ by less are the same to whoever waits. */
const SAME_MS = 500;
/** A start is told anew by the clock no sooner than after so long, or a third of what is left; nor than after so long. */
const RARELY_MS = 10_000;
const SOON = 1 / 3;
const LEAST_MS = 2_000;

/** Whether what a waiting job was told is old enough to be told anew by the clock. */
export function isDue(job: Job, at: number): boolean {
  if (job.state.status !== 'queued' || job.state.queuePosition === undefined) return false;
  const left = countedDown(job, at);
  const sinceMs = at - job.state.updatedAt;
  return left === undefined || sinceMs < 0 || sinceMs >= Math.min(RARELY_MS, Math.max(LEAST_MS, SOON * left));
}

/** Viewers that do not count down see an old time: it is told anew once the time since is more than this share of what is left. */
const OLD_SHARE = 0.25;

/** Whether another start is to be told: it differs by more than a tenth from what was told, counted down, or that is old. */
function isNews(known: Job, now: number | undefined, at: number): boolean {
  const before = countedDown(known, at);
  if (before === undefined || now === undefined) return before !== now;
  const sinceMs = at - known.state.updatedAt;
  return Math.abs(now - before) > Math.max(before / 10, SAME_MS) || (sinceMs >= RARELY_MS && sinceMs > OLD_SHARE * now);
}

/**
 * A waiting job with the time to its start as `etaMs`, where that is another by more than a tenth than what was told,
 * counted down, or that is old. `known` is the job before the event: where that changed its state anyhow, the time is told as it is now.
 */
export function withStart(startsIn: number | undefined, job: Job, known: Job, at: number): Job {
  const { etaMs: before, ...state } = job.state;
  if (state.status !== 'queued') return job;
  const etaMs = startsIn === undefined ? undefined : Math.round(startsIn);
  const isTold = job.state !== known.state;
  if (isTold ? etaMs === before : !isNews(known, etaMs, at)) return job;
  // One change where the event changed something already.
  const seq = isTold ? state.seq : state.seq + 1;
  const told = { ...state, ...(etaMs !== undefined && { etaMs }), seq };
  return { ...job, state: { ...told, updatedAt: Math.max(at, state.updatedAt) } };
}
