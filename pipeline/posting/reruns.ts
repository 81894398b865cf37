import { defer, map, of, type Observable } from 'rxjs';
import type { Choice } from './choose-server';
import { isTransient, type Env } from '../env';
import type { JobStore } from '../../sinks/job-store';
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { Failure, JobState } from '../../streams/job/job-state';
import type { Prompt } from '../../streams/job/workflow';
import { reconnecting } from '../../streams/operators/reconnecting';
import { reporting } from '../../streams/operators/reporting';

/** Whether a job's last run has failed, and its next is not posted yet. */
export const waitsForRun = ({ attempt, runId }: JobState): boolean => attempt > 1 && runId === undefined;

/** What can be run of a stored workflow: an outline cannot. */
const wholeOf = (workflow: StoredWorkflow | undefined): Prompt | undefined =>
  workflow?.tag === 'outline' ? undefined : workflow?.prompt;

/** What of a job can be run again, if anything: as it waits to be stored, where the store was away when it was posted, or is stored. */
export function workflowOf(
  promptId: string,
  { store, writer }: { store: Pick<JobStore, 'workflow'>; writer: Pick<WriteBehind, 'waitingWorkflow'> },
  { clock, backoff, report }: Env,
): Observable<Prompt | undefined> {
  return defer(() => {
    const waiting = writer.waitingWorkflow(promptId);
    return waiting === undefined ? store.workflow(promptId) : of(waiting);
  }).pipe(reporting('store', report), reconnecting({ backoff, clock, isTransient }), map(wholeOf));
}

/** The server before if it is well; else another, where there is one for this type. */
export function serverOfNextRun({ serverUrl, type }: JobState, choice: Choice): ComfyUIServer | undefined {
  const before = choice.of(serverUrl);
  // The server asked for may be one that is not for this type.
  return before !== undefined && choice.isHealthy(before) ? before : (choice.preferred(type) ?? before);
}

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
