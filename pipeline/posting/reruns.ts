import type { StoredWorkflow } from '../../sinks/stored-workflow.codec';
import type { Failure, JobState } from '../../streams/job/job-state';
import type { Prompt } from '../../streams/job/workflow';

/** Whether a job's last run has failed, and its next is not posted yet. */
export const waitsForRun = ({ attempt, runId }: JobState): boolean => attempt > 1 && runId === undefined;

/** What can be run of a stored workflow: an outline cannot. */
export const wholeOf = (workflow: StoredWorkflow | undefined): Prompt | undefined =>
  workflow?.tag === 'outline' ? undefined : workflow?.prompt;

/** How long a job's next run waits, ms: the second 1 s, the next ones 2, 4, 8, 16. */
export const rerunMs = (attempt = 2): number => 1_000 * 2 ** Math.min(4, Math.max(0, attempt - 2));

/** Why a job's last run failed, where it ran out of memory: its state no longer says. */
export const ranOutOfMemory: Failure = {
  kind: 'out_of_memory',
  message: 'The last run ran out of memory, and the workflow is no longer kept to be run again.',
  retryable: true,
};
/** Why a job's last run failed, where its server forgot it. */
export const wasLost: Failure = {
  kind: 'lost',
  message: 'The last run was lost, and the workflow is no longer kept to be run again.',
  retryable: true,
};
