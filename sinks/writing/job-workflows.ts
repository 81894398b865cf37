import { bounds } from '../../streams/bounds';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { PutOutcome } from '../job-store';
import type { StoredWorkflow } from '../codecs/stored-workflow.codec';

/**
 * The workflows that wait to be stored with their job's next state, and stored ones that may have to be stored again.
 */
export class JobWorkflows {
  readonly #waiting = new Map<string, StoredWorkflow>();
  readonly #doubtedSince = new Map<string, number>();
  /**
   * Stored workflows that are still to be posted, or may be posted again: the newest, `bounds.keptWorkflowsLength`
   * characters in all.
   */
  readonly #kept = new Map<string, StoredWorkflow>();
  #length = 0;
  /**
   * Workflows to store once more with the job's next state. They do not count as waiting: they were stored, so another
   * instance may have the job by now.
   */
  readonly #rescued = new Map<string, StoredWorkflow>();

  /** Has a workflow wait for the job's next state, in place of one that waits already. */
  wait(promptId: string, workflow: StoredWorkflow): void {
    this.#waiting.set(promptId, workflow);
  }

  waiting(promptId: string): StoredWorkflow | undefined {
    return this.#waiting.get(promptId);
  }

  /** Has a stored workflow, if it is kept here, stored again with the job's next state. */
  rescue(promptId: string): void {
    const workflow = this.#kept.get(promptId);
    if (workflow !== undefined) this.#rescued.set(promptId, workflow);
  }

  /** Call when a write of a job with its workflow failed that may have been done all the same; `begunAt` in ms. */
  doubted(promptId: string, begunAt: number): void {
    if (this.#waiting.has(promptId) && !this.#doubtedSince.has(promptId)) this.#doubtedSince.set(promptId, begunAt);
  }

  /** When the first write of a job began that may have been done, ms; `undefined` if certainly none was. */
  doubtedSince(promptId: string): number | undefined {
    return this.#doubtedSince.get(promptId);
  }

  /** The workflow to store with the job's next state. */
  next(promptId: string): StoredWorkflow | undefined {
    return this.#waiting.get(promptId) ?? this.#rescued.get(promptId);
  }

  /** Call after a state was written, with the workflow that went with it. */
  written(state: JobState, workflow: StoredWorkflow | undefined, outcome: PutOutcome): void {
    const { promptId } = state;
    if (this.#waiting.get(promptId) === workflow) this.#waiting.delete(promptId);
    this.#rescued.delete(promptId);
    this.#doubtedSince.delete(promptId);
    if (outcome !== 'stored' || isSettled(state)) this.#forget(promptId);
    else if (workflow !== undefined) this.#keep(promptId, workflow);
  }

  /** Call when a settled state is given up as unstorable: nobody asks for its workflow again. */
  drop(promptId: string): void {
    this.#waiting.delete(promptId);
    this.#rescued.delete(promptId);
    this.#doubtedSince.delete(promptId);
    this.#forget(promptId);
  }

  #keep(promptId: string, workflow: StoredWorkflow): void {
    this.#forget(promptId);
    if (workflow.tag === 'outline') return;
    this.#kept.set(promptId, workflow);
    this.#length += lengthOf(workflow);
    for (const oldest of this.#kept.keys()) {
      if (this.#length <= bounds.keptWorkflowsLength) break;
      this.#forget(oldest);
    }
  }

  #forget(promptId: string): void {
    const before = this.#kept.get(promptId);
    if (before !== undefined) this.#length -= lengthOf(before);
    this.#kept.delete(promptId);
  }
}

const lengthOf = ({ prompt: { workflow, extraData = '' } }: StoredWorkflow): number =>
  workflow.length + extraData.length;
