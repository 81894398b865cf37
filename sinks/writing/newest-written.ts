import { Observable } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import { StoreUnavailable, type PutOutcome } from '../job-store';

/** The write of one job: what to write, who is told how it ended, and how long to wait for a store that is away. */
export interface NewestWrite {
  /** The job's newest state that is not written; `undefined` if there is none. */
  readonly newest: () => JobState | undefined;
  readonly put: (state: JobState) => Observable<PutOutcome>;
  readonly told: (state: JobState, outcome: PutOutcome) => void;
  /** Called with a state that can never be stored, such as one whose metadata is no JSON. */
  readonly gaveUp: (state: JobState, error: unknown) => void;
  /** Emits when the next attempt is to begin. */
  readonly pause: (error: StoreUnavailable, attempts: number) => Observable<unknown>;
}

/**
 * Writes a job's newest state; again while the store is unavailable, then with what is the newest. Emits the state that
 * was stored, refused as stale, or given up, if there was any; then completes. One observable, not five operators:
 * there are a thousand writes a second, and each operator leaves a KB behind.
 */
export const newestWritten = ({ newest, put, told, gaveUp, pause }: NewestWrite): Observable<JobState> =>
  new Observable((out) => {
    let attempts = 0;
    const failed = (state: JobState, error: unknown): void => {
      attempts += 1;
      if (error instanceof StoreUnavailable) {
        out.add(pause(error, attempts).subscribe(attempt));
        return;
      }
      gaveUp(state, error);
      out.next(state);
      out.complete();
    };
    const attempt = (): void => {
      const state = newest();
      if (state === undefined) {
        out.complete();
        return;
      }
      const written = put(state).subscribe({
        next: (outcome) => told(state, outcome),
        error: (error: unknown) => failed(state, error),
        complete: () => {
          out.next(state);
          out.complete();
        },
      });
      out.add(written);
    };
    attempt();
  });
