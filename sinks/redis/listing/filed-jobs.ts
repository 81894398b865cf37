import type { Observable } from 'rxjs';
import { sessionOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import { remember } from '../../../streams/maps/remember';

/** The first write after this time renews an unsettled job's entries, so that they outlive the state. */
export const RENEW_S = 1200;

/** The most jobs whose index entries are remembered to be right; others are put again. */
const KNOWN = 50_000;

/** What is known to be in the index of a job that this instance writes. */
interface Filed {
  /** Absent where the sets do not agree. */
  readonly standing: JobStanding | undefined;
  readonly session: string;
  readonly atMs: number;
  /** Put together with the state that is stored next. */
  readonly isNew: boolean;
}

/** What this instance put into the index, of `KNOWN` jobs at most. */
export class FiledJobs {
  readonly #filed = new Map<string, Filed>();
  readonly #nowMs: () => number;

  /** `damaged$` emits when parts of the index were lost: nothing is known then. */
  constructor(nowMs: () => number, damaged$: Observable<unknown>) {
    this.#nowMs = nowMs;
    damaged$.subscribe(() => this.#filed.clear());
  }

  get(promptId: string): Filed | undefined {
    return this.#filed.get(promptId);
  }

  set(state: JobState, standing: JobStanding | undefined, isNew: boolean): void {
    const filed = { standing, session: sessionOf(state) ?? '', atMs: this.#nowMs(), isNew };
    remember(this.#filed, state.promptId, filed, KNOWN);
  }

  delete(promptId: string): void {
    this.#filed.delete(promptId);
  }

  /** Whether a job's entries need no renewal. */
  isFresh(state: JobState): boolean {
    const filed = this.get(state.promptId);
    return (
      filed !== undefined && filed.session === (sessionOf(state) ?? '') && this.#nowMs() - filed.atMs < RENEW_S * 1000
    );
  }
}
