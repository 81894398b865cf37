import { isAtServer, runOfJob, type Job } from '../../../job/job';
import { isSureOf, silentMs, spread } from '../../../job/progress/node/node-left';
import { isCounting, type RunClock } from '../../../job/progress/run-clock';
import { timeLeft } from '../../../job/progress/time-left';
import type { Ahead, Estimate, Live } from './estimates';
import { heatOf } from './kinds';

/** The time left of the run at the front, and how long it takes in all, for estimates of runs like it. */
export interface Front {
  readonly left: Ahead;
  readonly live?: Live;
}

/** Our own run, whose nodes are heard but do not count steps, is judged by its expected time past this many times it. */
const HEARD_OVERDUE = 3;

/**
 * The rest of a run of which only the start is known. Past the expected time it is expected to take as long again as it
 * is late: that is told if the time was known, though it is right to a factor of two only, as nothing is known better.
 */
export function leftSince(expected: Estimate, since: number, at: number): Front {
  const { ms, sureMs, spreadMs, biasMs, trust, heat } = expected;
  const elapsed = Math.max(0, at - since);
  const left = Math.max(silentMs(ms, elapsed, spread(trust)), elapsed - ms);
  const isLate = elapsed > ms;
  const share = ms === 0 ? 1 : left / ms;
  const sureLeftMs = share * sureMs;
  const spreadLeftMs = isLate ? left - sureLeftMs : share * spreadMs;
  const rest = { ms: left, sureMs: sureLeftMs, spreadMs: spreadLeftMs, biasMs: share * biasMs };
  return { left: rest, ...(isLate && { live: { heat, ms: elapsed + left } }) };
}

/** The rest of our own job's run. */
export function leftOfJob(job: Job, expected: Estimate | undefined, at: number): Front | undefined {
  const run = job.state.status === 'processing' ? runOfJob(job) : undefined;
  if (run === undefined) return expected && { left: expected };
  if (run.nodes.size() === 0 && expected !== undefined) return leftSince(expected, run.startedAt, at);
  const isLate = expected !== undefined && !isCounting(run) && at - run.startedAt > HEARD_OVERDUE * expected.ms;
  if (isLate && isSureOf(expected)) return { left: leftSince(expected, run.startedAt, at).left };
  const left = timeLeft(run, at);
  return {
    left: { ms: left.ms, sureMs: left.sureMs, spreadMs: left.ms - left.sureMs, biasMs: 0 },
    ...(!run.isLate && left.sureMs > 0 && { live: { heat: heatOfRun(job, run), ms: at - run.startedAt + left.ms } }),
  };
}

/** The heat of a run, by the nodes that ComfyUI said are cached. */
export const heatOfRun = (job: Job, { cached }: RunClock): string =>
  heatOf(job.graph, cached.size, isAtServer(job) ? job.stage.targets : undefined);
