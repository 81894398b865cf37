import { bounds } from '../../streams/bounds';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { PutOutcome } from '../job-store';
import type { StoredWorkflow } from '../codecs/stored-workflow.codec';

/** The workflows that wait to be stored with their job's next state; and those that were, and may be needed again. */
export class JobWorkflows {
  readonly #waiting = new Map<string, StoredWorkflow>();
  /** Stored, and still to be posted, or posted again: `bounds.keptWorkflowsLength` characters of them, the newest. */
  readonly #kept = new Map<string, StoredWorkflow>();
  #length = 0;
  /** To be stored once more with the next state. Another instance may have the job by now: it does not count as waiting. */
  readonly #rescued = new Map<string, StoredWorkflow>();

  /** Has a workflow wait, in place of the one that does. */
  wait(promptId: string, workflow: StoredWorkflow): void {
    this.#waiting.set(promptId, workflow);
  }

  waiting(promptId: string): StoredWorkflow | undefined {
    return this.#waiting.get(promptId);
  }

  /** Has a workflow that was stored go with the job's next state, if it is kept. */
  rescue(promptId: string): void {
    const workflow = this.#kept.get(promptId);
    if (workflow !== undefined) this.#rescued.set(promptId, workflow);
  }

  /** What goes with the job's next state. */
  next(promptId: string): StoredWorkflow | undefined {
    return this.#waiting.get(promptId) ?? this.#rescued.get(promptId);
  }

  /** A state was written, with this workflow. */
  written(state: JobState, workflow: StoredWorkflow | undefined, outcome: PutOutcome): void {
    const { promptId } = state;
    if (this.#waiting.get(promptId) === workflow) this.#waiting.delete(promptId);
    this.#rescued.delete(promptId);
    if (outcome !== 'stored' || isSettled(state)) this.#forget(promptId);
    else if (workflow !== undefined) this.#keep(promptId, workflow);
  }

  drop(promptId: string): void {
    this.#waiting.delete(promptId);
    this.#rescued.delete(promptId);
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
