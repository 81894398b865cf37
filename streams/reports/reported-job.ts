import type { Job, ReportingItself } from '../job/job';
import { byName } from '../job/progress/plan/expected';
import type { JobState } from '../job/job-state';
import type { Graph } from '../job/workflow';
import { REPORTED_NODE } from './job-report';

/** A reported job as it is opened or taken up: its state holds all that the instance needs. */
export const reportedJob = (state: JobState): Job<ReportingItself> => ({
  state,
  graph: reportedGraph(state),
  durations: byName,
  linked: false,
  stage: { tag: 'reporting', run: undefined },
});

/** The graph of a reported job: one node of the job's type, with the steps that `open` was given. */
const reportedGraph = ({ type, reported }: Pick<JobState, 'type' | 'reported'>): Graph =>
  new Map([
    [
      REPORTED_NODE,
      {
        type,
        inputs: [],
        links: new Map(),
        literals: new Map(reported?.steps === undefined ? [] : [['steps', reported.steps] as const]),
      },
    ],
  ]);
