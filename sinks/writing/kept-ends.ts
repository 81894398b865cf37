import type { TimestampProvider } from 'rxjs';
import { bounds } from '../../streams/bounds';
import type { JobState } from '../../streams/job/job-state';

/** How long a settled state is kept, ms: a Redis that was started again may have a dump that is minutes old. */
const KEPT_MS = 600_000;

export interface KeptEnd {
  readonly state: JobState;
  /** Until when it is kept, ms since 1970. */
  readonly until: number;
  readonly length: number;
}

/** The settled states of the last ten minutes: the newest 1,000 and 8 Mi characters of JSON (`bounds`). */
export class KeptEnds {
  readonly #clock: TimestampProvider;
  /** By `promptId`, the oldest first. */
  readonly #ends = new Map<string, KeptEnd>();
  #length = 0;

  constructor(clock: TimestampProvider) {
    this.#clock = clock;
  }

  add(state: JobState): void {
    this.put({ state, until: this.#clock.now() + KEPT_MS, length: JSON.stringify(state).length });
  }

  /** Puts one back that was kept before. */
  put(end: KeptEnd): void {
    this.forget(end.state.promptId);
    this.#ends.set(end.state.promptId, end);
    this.#length += end.length;
    for (const [oldest] of this.#ends) {
      if (this.#ends.size <= bounds.keptEnds && this.#length <= bounds.keptEndsLength) break;
      this.forget(oldest);
    }
  }

  of(promptId: string): JobState | undefined {
    const end = this.#ends.get(promptId);
    return end !== undefined && end.until > this.#clock.now() ? end.state : undefined;
  }

  all(): readonly KeptEnd[] {
    const now = this.#clock.now();
    for (const [promptId, { until }] of this.#ends) if (until <= now) this.forget(promptId);
    return [...this.#ends.values()];
  }

  forget(promptId: string): void {
    this.#length -= this.#ends.get(promptId)?.length ?? 0;
    this.#ends.delete(promptId);
  }
}
