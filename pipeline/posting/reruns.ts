import { EMPTY, defer, map, of, takeUntil, timer, type Observable, type SchedulerLike } from 'rxjs';
import type { Choice } from './choose-server';
import { isTransient, type Env } from '../env';
import type { JobStore } from '../../sinks/job-store';
import type { StoredWorkflow } from '../../sinks/codecs/stored-workflow.codec';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import type { ComfyUIServer } from '../../sources/comfyui-server';
import type { BoardEvent, BoardView } from '../../streams/board/board';
import { runsAgain } from '../../streams/job/advance/derive';
import { cancelledFailure, lost, serverRemoved } from '../../streams/job/failures';
import { jobOf } from '../../streams/job/job';
import type { Failure, JobState } from '../../streams/job/job-state';
import { graphOfPrompt, type Prompt } from '../../streams/job/workflow';
import { reconnecting } from '../../streams/operators/reconnecting';
import { reporting } from '../../streams/operators/reporting';

/** Whether a job's last run has failed, and its next run is not posted yet. */
export const waitsForRun = ({ attempt, runId }: JobState): boolean => attempt > 1 && runId === undefined;

/** The prompt of a stored workflow that can be run; an outline cannot. */
const wholeOf = (workflow: StoredWorkflow | undefined): Prompt | undefined =>
  workflow?.tag === 'outline' ? undefined : workflow?.prompt;

/**
 * The prompt for a job's next run: the one that waits to be stored, else the stored one; `undefined` if there is none,
 * or an outline only. Asks again while the store is away.
 */
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

/** The last run's server if it is healthy; else the preferred one for this type; else the last run's all the same. */
export function serverOfNextRun({ serverUrl, type }: JobState, choice: Choice): ComfyUIServer | undefined {
  const before = choice.of(serverUrl);
  // The last run's server may be one that the request named and that does not take this type.
  return before !== undefined && choice.isHealthy(before) ? before : (choice.preferred(type) ?? before);
}

/** A next run is posted after 10 s even if its state is not stored yet: a store that is away holds up no job (R12). */
const STORED_MS = 10_000;

/** Completes once a run is stored, or after `STORED_MS`: a successor then looks for it, and posts no other. */
export const storedRun = (
  runId: string,
  { board, writer }: { board: Pick<BoardView, 'run'>; writer: Pick<WriteBehind, 'stored'> },
  clock: SchedulerLike,
): Observable<never> =>
  defer(() => {
    const run = board.run(runId);
    return run === undefined ? EMPTY : writer.stored(run.state).pipe(takeUntil(timer(STORED_MS, clock)));
  });

/** How long a run waits before it is posted, ms: the second run 1 s, the next ones 2, 4, 8, then 16 s each. */
export const rerunMs = (attempt = 2): number => 1_000 * 2 ** Math.min(4, Math.max(0, attempt - 2));

/** The failure of a job that was taken up after its last run ran out of memory, and cannot be run again. */
export const ranOutOfMemory: Failure = {
  kind: 'out_of_memory',
  message: 'The last run ran out of memory, and the workflow is no longer kept to be run again.',
  retryable: true,
};
/** The failure of a job that was taken up after its server forgot its last run, and cannot be run again. */
export const wasLost: Failure = {
  kind: 'lost',
  message: 'The last run was lost, and the workflow is no longer kept to be run again.',
  retryable: true,
};

/** Has a stored job whose server was taken out of the settings run elsewhere, if it may, or ends it. */
export function afterRemoval(state: JobState, prompt: Prompt | undefined, at: number): readonly BoardEvent[] {
  const { promptId, cancelAskedAt } = state;
  const opened: BoardEvent = { tag: 'opened', job: jobOf(state, { graph: graphOfPrompt(prompt), accepted: true }) };
  if (cancelAskedAt !== undefined) return [opened, { tag: 'refused', promptId, at, failure: cancelledFailure }];
  if (runsAgain(state, lost)) return [opened, { tag: 'abandoned', promptId, at }];
  return [opened, { tag: 'refused', promptId, at, failure: serverRemoved }];
}
