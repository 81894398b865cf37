import type { Observable } from 'rxjs';
import { sessionOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import { remember } from '../../../streams/maps/remember';

/** A write after this many seconds renews an unsettled job's entries in the index, so that they outlive the state. */
export const RENEW_S = 1200;

/** Of how many jobs the entries are remembered; those of other jobs are written again. */
const KNOWN = 50_000;

/** What this instance wrote last to the index for a job. */
interface Filed {
  /** `undefined` if the sets of the user and those of all users differ. */
  readonly standing: JobStanding | undefined;
  readonly session: string;
  readonly atMs: number;
  /** Written for a state that was not stored yet. */
  readonly isNew: boolean;
}

/** What this instance wrote to the index, for `KNOWN` jobs at most. */
export class FiledJobs {
  readonly #filed = new Map<string, Filed>();
  readonly #nowMs: () => number;

  /** `lost$` emits when parts of the index may be lost: then all is forgotten. */
  constructor(nowMs: () => number, lost$: Observable<unknown>) {
    this.#nowMs = nowMs;
    lost$.subscribe(() => this.#filed.clear());
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

  /** Whether a job's entries need no renewal yet. */
  isFresh(state: JobState): boolean {
    const filed = this.get(state.promptId);
    return (
      filed !== undefined && filed.session === (sessionOf(state) ?? '') && this.#nowMs() - filed.atMs < RENEW_S * 1000
    );
  }
}
