import type { Observable, SchedulerLike } from 'rxjs';
import type { JobState } from '../../streams/job/job-state';
import type { Backoff } from '../../streams/operators/backoff';
import type { Report } from '../../streams/operators/reporting';
import type { PutOutcome } from '../job-store';
import type { StoredWorkflow } from '../codecs/stored-workflow.codec';
import type { Confirmations } from './confirmations';

/** Writes the newest state of each job, and waits for the store if it must (R12). */
export interface WriteBehind {
  /** Takes a state to be written: at once if its `status` is new, else the newest `perSecond` times a second, of more than `bounds.writesPerSecond` / `perSecond` jobs less often. What is stored, or no newer than what waits, is ignored. */
  put(state: JobState): void;
  /**
   * Writes a state now, of a job nothing of which waits, with its workflow where one is given. Emits the outcome and
   * completes; errors as `JobStore.put` does, and then has the workflow stored with the job's next state.
   */
  write(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome>;
  /** Has a workflow stored with the job's next state that is written, in place of one that waits for it already. */
  keep(promptId: string, workflow: StoredWorkflow): void;
  /** The workflow that waits to be stored with the job's next state. */
  waitingWorkflow(promptId: string): StoredWorkflow | undefined;
  /** The jobs that ended here, and whose ends are still to be written once more. */
  readonly ends: Pick<Confirmations, 'awaits' | 'again'>;
  /** Completes when this state, or a newer one, is stored; at once where it is already, never will be, or the store is away. Has it written now if it waits. */
  stored(state: JobState): Observable<never>;
  /** Writes a state again, so that it lives on. */
  renew(state: JobState): void;
  /** The same where the store may have lost it: with its workflow, if that is still to be posted, or may be again. */
  rescue(state: JobState): void;
  /** What waits to be written of a job. */
  waiting(promptId: string): JobState | undefined;
  /** What waits to be written, else what is stored; see `JobStore.get`. */
  get(promptId: string): Observable<JobState | undefined>;
  /** Forgets a job, here and in the store. Emits whether it was there; errors with `StoreUnavailable`. */
  remove(promptId: string): Observable<boolean>;
  /** The states that are not stored yet, one a job. */
  unwritten(): readonly JobState[];
  /** How many they are. */
  pending(): number;
  /** For how many ms the job has waited that has waited longest; 0 where none waits. */
  oldestMs(): number;
  /** Completes when nothing is left to write. Errors with `Unwritten` after `timeoutMs`. */
  drain(timeoutMs: number): Observable<never>;
  /** Stops, at once: `drain` first. What is put later is reported. */
  close(): void;
}

export interface WriteBehindOptions {
  readonly perSecond?: number;
  /** How long a failed write waits. */
  readonly backoff?: Backoff;
  readonly clock?: SchedulerLike;
  /** For jitter: 0–1. */
  readonly random?: () => number;
  /**
   * A settled state is written once more after so long, which costs nothing where it is still there: a master that
   * dies takes what its replica has not got yet along, acknowledged or not. Not by default.
   */
  readonly confirmMs?: number;
  /** Called with each state that was refused because a newer owner's is stored (R11). */
  readonly onStale?: (state: JobState) => void;
  /** Told of each refused (`StaleState`) or given-up write, and of an outage once, when it begins. */
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
