import type { JobState } from '../job/job-state';
import type { Durations } from '../job/progress/plan/expected';
import { planOf } from '../job/progress/plan/plan';
import { runClock, type RunClock } from '../job/progress/run-clock';
import { executing, heardAgain, stepped } from '../job/progress/run-events';
import type { Graph } from '../job/workflow';
import { REPORTED_NODE } from './job-report';

/** The run of a reported job, rebuilt from its state: so pace and time left survive a change of instance. */
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

/** The run with a bar that goes on from `share` at this time. */
const withShown = (run: RunClock, share: number, at: number): RunClock => ({
  ...run,
  shown: { ...run.shown, share, at },
});
