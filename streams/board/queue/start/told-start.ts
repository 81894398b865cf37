import type { Job } from '../../../job/job';
import { countedDown } from '../../../job/job-state';

/** Starts that differ by less count as the same, ms. */
const SAME_MS = 500;
/** The clock tells a start again after a third of the time left, but not before 2 s, and at the latest after 10 s. */
const RARELY_MS = 10_000;
const SOON = 1 / 3;
const LEAST_MS = 2_000;

/** Whether a waiting job's last `etaMs` is so old that the clock may tell a new one. */
export function isDue(job: Job, at: number): boolean {
  if (job.state.status !== 'queued' || job.state.queuePosition === undefined) return false;
  const left = countedDown(job.state, at);
  const sinceMs = at - job.state.updatedAt;
  return left === undefined || sinceMs < 0 || sinceMs >= Math.min(RARELY_MS, Math.max(LEAST_MS, SOON * left));
}

/** For viewers that do not count down, a time is told again once it is older than this share of the time left. */
const OLD_SHARE = 0.25;

/** Whether to tell a start: it differs by more than a tenth from the last one, counted down, or that one is old. */
function isNews(known: Job, now: number | undefined, at: number): boolean {
  const before = countedDown(known.state, at);
  if (before === undefined || now === undefined) return before !== now;
  const sinceMs = at - known.state.updatedAt;
  return Math.abs(now - before) > Math.max(before / 10, SAME_MS) || (sinceMs >= RARELY_MS && sinceMs > OLD_SHARE * now);
}

/**
 * A waiting job with the time to its start as `etaMs`; unchanged if `isNews` says no. `known` is the job before the
 * event: if the event changed its state already, that state gets the exact time.
 */
export function withStart(startsIn: number | undefined, job: Job, known: Job, at: number): Job {
  const { etaMs: before, ...state } = job.state;
  if (state.status !== 'queued') return job;
  const etaMs = startsIn === undefined ? undefined : Math.round(startsIn);
  const isTold = job.state !== known.state;
  if (isTold ? etaMs === before : !isNews(known, etaMs, at)) return job;
  // The event's own change has counted `seq` up already.
  const seq = isTold ? state.seq : state.seq + 1;
  const told = { ...state, ...(etaMs !== undefined && { etaMs }), seq };
  return { ...job, state: { ...told, updatedAt: Math.max(at, state.updatedAt) } };
}
