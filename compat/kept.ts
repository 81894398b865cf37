import { setTimeout as sleep } from 'node:timers/promises';
import type { ComfyUIJobPersistenceService } from './comfyui-job-persistence.service';

/** The longest that is waited for what is under way, ms: Redis may be down. */
const PATIENCE_MS = 5_000;

/** What a runner asks of its persistence service, if it has one. */
export class Kept {
  private readonly underWay = new Set<Promise<void>>();

  constructor(private readonly service: ComfyUIJobPersistenceService | undefined) {}

  /** Resolves once the work is done. Only warns if it fails: jobs go on while Redis is down (R12). */
  async keep(what: string, work: (service: ComfyUIJobPersistenceService) => Promise<unknown>): Promise<void> {
    if (this.service === undefined) return;
    const done = work(this.service).then(
      () => undefined,
      (error: unknown) => console.warn(`comfyui-jobstream: what Redis knows of ${what} is old: ${String(error)}`),
    );
    this.underWay.add(done);
    await done;
    this.underWay.delete(done);
  }

  /** Resolves once all that is under way is done, or after 5 s. */
  async settled(): Promise<void> {
    await Promise.race([Promise.all(this.underWay), sleep(PATIENCE_MS, undefined, { ref: false })]);
  }
}
