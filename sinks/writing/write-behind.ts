import type { Observable, SchedulerLike } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import type { Backoff } from '../../streams/operators/backoff';
import type { Report } from '../../streams/operators/reporting';
import type { PutOutcome } from '../job-store';
import type { StoredWorkflow } from '../codecs/stored-workflow.codec';
import type { Confirmations } from './confirmations';

/** Writes the newest state of each job, and waits for the store if it must (R12). */
export interface WriteBehind {
  /**
   * Takes a state to be written: at once if its `status` is new, else the job's newest one `perSecond` times a second;
   * with more than `bounds.writesPerSecond` / `perSecond` jobs less often. Ignores a state that is stored, or no newer
   * than the one that waits.
   */
  put(state: JobState): void;
  /**
   * Writes a state now, past the queue, with its workflow where one is given; only for a job of which no state waits.
   * Emits the outcome and completes; errors as `JobStore.put` does: the workflow then goes with the job's next state.
   */
  write(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome>;
  /** Has a workflow stored with the job's next state, in place of one that waits for it already. */
  keep(promptId: string, workflow: StoredWorkflow): void;
  /** The workflow that waits to be stored with the job's next state. */
  waitingWorkflow(promptId: string): StoredWorkflow | undefined;
  /**
   * How long a job given to `write` with its workflow may have been in the store, ms: since the first of its writes
   * whose answer was lost. 0 where it certainly is not; infinite once it is. Negative after the clock was set back.
   */
  maybeStoredMs(promptId: string): number;
  /** The jobs that settled here lately, whose settled states are written again (`confirmMs`). */
  readonly ends: Pick<Confirmations, 'of' | 'again'>;
  /**
   * Has the job's waiting state written now, and completes when this one, or a newer one, is stored or given up.
   * Completes at once if none waits or the store is unavailable.
   */
  stored(state: JobState): Observable<never>;
  /** Writes a state even if it is stored already, which renews its time to live. */
  renew(state: JobState): void;
  /**
   * The same for a state that the store may have lost: its workflow is stored again too, if it is still to be posted,
   * or may be posted again.
   */
  rescue(state: JobState): void;
  /** The state of a job that waits to be written. */
  waiting(promptId: string): JobState | undefined;
  /** The state that waits to be written, else the stored one; see `JobStore.get`. */
  get(promptId: string): Observable<JobState | undefined>;
  /** The states that wait to be written, one per job. */
  unwritten(): readonly JobState[];
  /** How many states wait to be written. */
  pending(): number;
  /** How long the job that has waited longest has waited, ms; 0 if none waits. */
  oldestMs(): number;
  /** Completes when nothing is left to write. Errors with `Unwritten` after `timeoutMs`. */
  drain(timeoutMs: number): Observable<never>;
  /** Stops at once; call `drain` first. A state that comes later is reported as `Unwritten`. */
  close(): void;
}

export interface WriteBehindOptions {
  /** How often a job's state is written; 4 by default. */
  readonly perSecond?: number;
  /** How long a write that failed waits for its next attempt. */
  readonly backoff?: Backoff;
  readonly clock?: SchedulerLike;
  /** For jitter: 0–1. */
  readonly random?: () => number;
  /**
   * A settled state is written a second time after this many ms, since a Redis master that dies takes acknowledged
   * writes along that its replica does not have. If the state is still there, the write only renews it. For ten minutes
   * after that, `ends.again` writes it once more. 0 by default: no write but the first.
   */
  readonly confirmMs?: number;
  /** Called with each state that was refused because a newer owner's is stored (R11). */
  readonly onStale?: (state: JobState) => void;
  /** Called with each refused (`StaleState`) or given-up write, and once when an outage begins. */
  readonly report: Report;
}

/** A newer owner's state is stored already, so this instance's was refused (R11). */
export class StaleState extends Error {
  override readonly name = 'StaleState';
  constructor(readonly state: JobState) {
    super(`job ${state.promptId}: a newer state than epoch ${state.epoch}, seq ${state.seq} is stored`);
  }
}

/** States that could not be written in time, or at all. */
export class Unwritten extends Error {
  override readonly name = 'Unwritten';
  constructor(readonly jobs: number) {
    super(`${jobs} states are not written`);
  }
}
