import { isAtServer, runOfJob, type Job } from '../../../job/job';
import { isSureOf, silentMs, spread } from '../../../job/progress/node/node-left';
import { isCounting, type RunClock } from '../../../job/progress/run-clock';
import { timeLeft } from '../../../job/progress/time-left';
import type { Ahead, Estimate, Live } from './estimates';
import { heatOf } from './kinds';

/** What is left of the run at the front, and what it says of its like. */
export interface Front {
  readonly left: Ahead;
  readonly live?: Live;
}

/** Nobody knows any more when a run ends that has taken so many times what was expected; one of ours, whose nodes are heard but do not count, so many. */
const OVERDUE = 2;
const HEARD_OVERDUE = 3;

/** Of a run of which only its start is known, with what it was expected to take: past that it is expected to go on for as long again as it is late. */
export function leftSince(expected: Estimate, since: number, at: number): Front {
  const { ms, sureMs, trust, heat } = expected;
  const elapsed = Math.max(0, at - since);
  const left = Math.max(silentMs(ms, elapsed, spread(trust)), elapsed - ms);
  const sure = elapsed > OVERDUE * ms || ms === 0 ? 0 : sureMs / ms;
  return { left: { ms: left, sureMs: sure * left }, ...(elapsed > ms && { live: { heat, ms: elapsed + left } }) };
}

/** Of a job of ours. */
export function leftOfJob(job: Job, expected: Estimate | undefined, at: number): Front | undefined {
  const run = job.state.status === 'processing' ? runOfJob(job) : undefined;
  if (run === undefined) return expected && { left: expected };
  if (run.nodes.size() === 0 && expected !== undefined) return leftSince(expected, run.startedAt, at);
  const isLate = expected !== undefined && !isCounting(run) && at - run.startedAt > HEARD_OVERDUE * expected.ms;
  if (isLate && isSureOf(expected)) return { left: leftSince(expected, run.startedAt, at).left };
  const left = timeLeft(run, at);
  return {
    left,
    ...(!run.isLate && left.sureMs > 0 && { live: { heat: heatOfRun(job, run), ms: at - run.startedAt + left.ms } }),
  };
}

/** The heat of a run by what ComfyUI said is cached. */
export const heatOfRun = (job: Job, { cached }: RunClock): string =>
  heatOf(job.graph, cached.size, isAtServer(job) ? job.stage.targets : undefined);
