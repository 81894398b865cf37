import type { JobState } from '../job/job-state';
import type { Durations } from '../job/progress/plan/expected';
import { planOf } from '../job/progress/plan/plan';
import { runClock, type RunClock } from '../job/progress/run-clock';
import { executing, heardAgain, stepped } from '../job/progress/run-events';
import type { Graph } from '../job/workflow';
import { REPORTED_NODE } from './job-report';

/** The run of a job that reports itself, as its state tells of it: so the pace and the time left outlive whoever watched it. */
export function resumedRun(state: JobState, graph: Graph, durations: Durations, at: number): RunClock {
  const { executionStartedAt = at, progress, node } = state;
  const { first, heardAt = at } = state.reported ?? {};
  const begun = executing(
    withShown(runClock(planOf(graph), { at: executionStartedAt, durations }), progress / 100, at),
    REPORTED_NODE,
    executionStartedAt,
  );
  if (first === undefined || node === undefined) return begun;
  const paced = stepped(begun, REPORTED_NODE, first.value, node.max, first.at);
  const told = node.value > first.value ? stepped(paced, REPORTED_NODE, node.value, node.max, heardAt) : paced;
  return heardAgain(told, at);
}

/** The bar goes on from where it was, from now on. */
const withShown = (run: RunClock, share: number, at: number): RunClock => ({
  ...run,
  shown: { ...run.shown, share, at },
});
