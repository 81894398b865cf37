import type { Observable } from 'rxjs';
import type { Hooks } from './webhook-queue';
import type { StoredWorkflow } from './stored-workflow.codec';
import type { Leases } from './leases';
import type { JobState, JobStatus } from '../streams/job/job-state';

/** How long a state lives after its last write, in seconds. */
export const STATE_TTL_S = 7200;

/** How long a name stays reserved, in seconds. */
export const RESERVED_S = 24 * 3600;

/** How every key that holds a state begins, and no other key of ours does: existing readers ask for `KEYS comfyui:job:*`. */
export const JOB_KEY_PREFIX = 'comfyui:job:';

/** Where a job's state is stored. */
export const jobKey = (promptId: string): string => `${JOB_KEY_PREFIX}${promptId}`;

/** What became of a write: taken, or refused because the store holds a state at least as new. */
export type PutOutcome = 'stored' | 'stale';

/** Which states to list; an absent field matches all. */
export interface JobFilter {
  readonly status?: JobStatus;
  readonly type?: string;
  readonly userId?: string;
}

/** A stored value that is no job state of ours; read past, never fatal. */
export interface Unreadable {
  readonly key: string;
  readonly reason: string;
}

/** Keeps the newest state of each job for 7200 s after its last write, and tells of changes. */
export interface JobStore {
  /** Who watches which jobs. */
  readonly leases: Leases;
  /** What other servers are still to be told. */
  readonly hooks: Hooks;
  /**
   * Stores a state unless a state at least as new (by `epoch`, then `seq`) or a settled one is there (R1), and announces it to the feed. Emits
   * the outcome and completes; errors with `StoreUnavailable`. Safe to repeat: the very state that is there is `stored`
   * again, which renews its time to live and announces nothing. A value that is no state of ours is written over and
   * reported.
   */
  put(state: JobState): Observable<PutOutcome>;
  /** The stored state, or `undefined`. Errors with `StoreUnavailable`, or `UnreadableState` if the value is not ours. */
  get(promptId: string): Observable<JobState | undefined>;
  /** Each readable state that matches, once, in no order, then completes. What is unreadable is reported and passed over. Errors with `StoreUnavailable`. */
  list(filter?: JobFilter): Observable<JobState>;
  /** Forgets a job and its workflow. Emits whether it was there and completes. */
  remove(promptId: string): Observable<boolean>;
  /** Keeps the workflow of a job for whoever takes it up, for longer than any job takes. Replaces what was kept. */
  keep(promptId: string, kept: StoredWorkflow): Observable<never>;
  /** The workflow kept, or `undefined`. */
  kept(promptId: string): Observable<StoredWorkflow | undefined>;
  /**
   * Keeps a text under a name for `RESERVED_S`, unless one is kept there already. Emits what is there now, by whichever
   * instance, and completes; errors with `StoreUnavailable`. Safe to repeat.
   */
  reserve(name: string, text: string): Observable<string>;
  /** Replaces the text of a reserved name, which is kept no longer for it. Nothing where the name is not reserved. */
  amend(name: string, text: string): Observable<never>;
  /**
   * States of one job as any instance on this store stores them, from subscription on; never completes or errors. Where
   * the feed takes time to open, or was lost and is back, the stored state comes first, so that whoever subscribes and
   * then `get`s misses no last word. Hence a state may come twice: take only what is newer than what was seen.
   */
  changes(promptId: string): Observable<JobState>;
  /**
   * What of the store's own settings endangers jobs: a sentence each, naming the setting and what to set; none where all
   * is well. Errors with `StoreUnavailable`, or `UnsuitableStore` where it could never work.
   */
  preflight(): Observable<readonly string[]>;
  /** Whether the store answers. Emits once and completes; never errors. */
  healthy(): Observable<boolean>;
  /** Releases connections and files. Completes when they are gone. */
  close(): Observable<never>;
}

/** The store did not answer or could not write; the same call may succeed later. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** The store answers, but can never do what is asked of it. Says why, and what to do. */
export class UnsuitableStore extends Error {
  override readonly name = 'UnsuitableStore';
}

/** A value under one of our keys is not a job state. */
export class UnreadableState extends Error {
  override readonly name = 'UnreadableState';
  constructor(
    readonly key: string,
    reason: string,
  ) {
    super(`${key} holds no job state: ${reason}`);
  }
}
