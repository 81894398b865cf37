import type { JobState } from '../../index';
import { briefly, comfyUIIdOf, type ComfyUIJobResult } from './job-result';

const MOST = 1_000;

/** How the last thousand jobs that failed did: ComfyUI itself forgets those that were lost, or taken out of its queue. */
export class Failures {
  readonly #failed = new Map<string, ComfyUIJobResult>();

  /** Remembers a job where it has failed. */
  add(state: JobState): void {
    if (state.status !== 'failed') return;
    const promptId = comfyUIIdOf(state);
    this.#failed.set(promptId, briefly(state, promptId));
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > MOST && oldest !== undefined) this.#failed.delete(oldest);
  }

  /** How that job failed, by ComfyUI's id, where it did. */
  get(promptId: string): ComfyUIJobResult | undefined {
    return this.#failed.get(promptId);
  }
}
