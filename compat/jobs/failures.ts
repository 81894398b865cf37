import type { JobState } from '../../index';
import { briefly, comfyUIIdOf, type ComfyUIJobResult } from './job-result';

const MOST = 1_000;

/**
 * Remembers how the last 1,000 failed jobs failed: ComfyUI itself forgets those that were lost, or taken out of its
 * queue.
 */
export class Failures {
  readonly #failed = new Map<string, ComfyUIJobResult>();

  /** Remembers a job if it has failed. */
  add(state: JobState): void {
    if (state.status !== 'failed') return;
    const promptId = comfyUIIdOf(state);
    this.#failed.set(promptId, briefly(state, promptId));
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > MOST && oldest !== undefined) this.#failed.delete(oldest);
  }

  /** How the job with this id of ComfyUI's failed; `undefined` if it is not known to have. */
  get(promptId: string): ComfyUIJobResult | undefined {
    return this.#failed.get(promptId);
  }
}
