import type { Observable } from 'rxjs';
import type { Hooks } from './webhook-queue';
import type { StoredWorkflow } from './codecs/stored-workflow.codec';
import type { Leases } from './leases';
import type { Preview } from '../streams/board/board';
import { bounds } from '../streams/bounds';
import type { JobPage, JobQuery } from './listing/job-page';
import type { LearnedEntry } from '../streams/job/progress/learned/learned';
import type { JobState } from '../streams/job/job-state';

/** How long a state lives after its last write, in seconds. */
export const STATE_TTL_S = 7200;

/** How long what was learnt is kept after its last write, in seconds. */
export const LEARNED_S = 90 * 24 * 3600;

/** How long a name stays reserved, in seconds. */
export const RESERVED_S = 24 * 3600;

/**
 * The prefix of every key that holds a state, and of no other key of ours: other programs ask for `KEYS comfyui:job:*`.
 */
export const JOB_KEY_PREFIX = 'comfyui:job:';

/** Where a job's state is stored. */
export const jobKey = (promptId: string): string => `${JOB_KEY_PREFIX}${promptId}`;

/** What became of a write: taken, or refused because the store holds a state at least as new. */
export type PutOutcome = 'stored' | 'stale';

/** Unsettled jobs of a user, and the bytes of their workflows with extra data as text, before they are packed. */
export interface Usage {
  readonly jobs: number;
  readonly bytes: number;
}

/** A job's file that came over the socket and is on no server's disk. */
export interface StoredFile {
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

/** Keeps the newest state of each job for 7200 s after its last write, and tells of changes. */
export interface JobStore {
  /** Which instance holds which session, and so watches its jobs. */
  readonly leases: Leases;
  /** The webhooks that are still to be delivered. */
  readonly hooks: Hooks;
  /**
   * Stores a state, with its workflow where one is given, and announces it to the feed, all in one write; not if the
   * stored state is settled (R1) or at least as new (by `epoch`, then `seq`). A settled state drops the stored
   * workflow. Emits the outcome and completes; errors with `StoreUnavailable`, or `Unstorable` if it can never be
   * stored. Safe to repeat: the very state that is there is `stored` again, which renews its time to live and announces
   * nothing. A value that is no job state is written over and reported.
   */
  put(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome>;
  /**
   * The stored state, or `undefined`. Errors with `StoreUnavailable`, or `UnreadableState` if the value is none of
   * ours.
   */
  get(promptId: string): Observable<JobState | undefined>;
  /** The workflow stored with a job that has not settled, or `undefined`. */
  workflow(promptId: string): Observable<StoredWorkflow | undefined>;
  /** The workflows of many jobs in one read. Any may be missing: the caller then asks for it with `workflow`. */
  workflows(promptIds: readonly string[]): Observable<ReadonlyMap<string, StoredWorkflow>>;
  /**
   * Adds stored jobs to the index, many at once, so that the next `put` of each need not; a store may do nothing here.
   * Emits nothing; errors with `StoreUnavailable`.
   */
  refile(states: readonly JobState[]): Observable<never>;
  /**
   * A page of the states that match, newest first. It stops once `bounds.pageReads` states were read: where few match,
   * it holds fewer than `limit`, and a cursor to go on with. An unreadable state is reported and skipped. Errors with
   * `StoreUnavailable`, or `InvalidCursor`.
   */
  page(query: JobQuery): Observable<JobPage>;
  /**
   * Each readable unsettled state once, in no order, found by the index. States of jobs that `isKnown` are not read. An
   * unreadable one is reported and skipped. Errors with `StoreUnavailable`.
   */
  live(isKnown?: (promptId: string) => boolean): Observable<JobState>;
  /** The same for the unsettled jobs of one session. */
  liveOf(clientId: string, isKnown?: (promptId: string) => boolean): Observable<JobState>;
  /** Counts a user's unsettled jobs, and the bytes of their workflows, all `besides` those of these ids. */
  usage(userId: string, besides?: readonly string[]): Observable<Usage>;
  /**
   * Stores a file of a job, in place of one of the same name, for as long as the job's state lives. Emits nothing;
   * errors with `Unstorable` beyond `bounds.fileBytes`, `fileNameLength`, `files` or `filesBytes`.
   */
  keepFile(promptId: string, name: string, file: StoredFile): Observable<never>;
  /** A file that `keepFile` stored, or `undefined`. */
  file(promptId: string, name: string): Observable<StoredFile | undefined>;
  /** Forgets a job, its workflow and its files. Emits whether it was there and completes. */
  remove(promptId: string): Observable<boolean>;
  /**
   * Stores a text under a name for `RESERVED_S`, unless the name has one already. Emits the text that the name has now,
   * whichever instance stored it, and completes; errors with `StoreUnavailable`. Safe to repeat.
   */
  reserve(name: string, text: string): Observable<string>;
  /**
   * Replaces the text of a reserved name and leaves its time to live as it is. Does nothing if the name is not
   * reserved.
   */
  amend(name: string, text: string): Observable<never>;
  /** What the runs of all instances taught about nodes' durations, as [key, text]. Errors with `StoreUnavailable`. */
  learned(): Observable<readonly LearnedEntry[]>;
  /** Stores entries for at least `LEARNED_S` after they were last written; an entry without a text is removed. */
  learn(entries: readonly LearnedEntry[]): Observable<never>;
  /**
   * States of one job, from subscription on, as any instance on this store stores them; never completes or errors. When
   * the feed opens, or opens again after it was lost, it emits the stored state, so that a caller who subscribes and
   * then calls `get` does not miss the last one. So a state may come twice or late: take only one that is newer than
   * the last.
   */
  changes(promptId: string): Observable<JobState>;
  /**
   * Publishes a state that is not stored yet to the instances where somebody watches its job; does nothing where none
   * does. It may be lost. Never publishes a settled state, nor one that is behind the state of a newer owner (R11).
   */
  announce(state: JobState): void;
  /** Whether `announce` would reach anybody, as far as is known: whoever has begun to watch is found at the next `put`. */
  isHeard(promptId: string): boolean;
  /** As `announce` for a preview, `bounds.sharedPreviewsPerSecond` per job at most; `epoch` is that of its job. */
  show(preview: Preview, epoch: number): void;
  /** Previews of a job that the instance holding it gave to `show`. Some may be lost; never completes or errors. */
  previews(promptId: string): Observable<Preview>;
  /**
   * Checks the store's own settings. Emits a sentence for each that endangers jobs, with its name and what to set; an
   * empty list if all is well. Errors with `StoreUnavailable`, or `UnsuitableStore` if the store can never work.
   */
  preflight(): Observable<readonly string[]>;
  /**
   * Emits when the store may have lost acknowledged writes: its connection was made anew, or a lease held here was
   * gone. Now and then a false alarm; never completes or errors.
   */
  readonly mayHaveLost$: Observable<unknown>;
  /** Whether the store answers. Emits once and completes; never errors. */
  healthy(): Observable<boolean>;
  /** Releases connections and files. Completes when they are gone. */
  close(): Observable<never>;
}

/** Whether a job's id can be a key in every store. */
export const isStorable = (promptId: string): boolean => Buffer.byteLength(promptId) <= bounds.promptIdBytes;

/** Throws `Unstorable` where a job's id cannot be a key in every store. */
export function assertStorable(promptId: string): void {
  const bytes = Buffer.byteLength(promptId);
  if (!isStorable(promptId))
    throw new Unstorable(`a promptId of ${bytes} bytes cannot be stored: ${bounds.promptIdBytes} at most`);
}

/** Throws `Unstorable` if a file exceeds `bounds.fileBytes`, or its name or MIME type `bounds.fileNameLength`. */
export function assertStorableFile(name: string, { bytes, mimeType }: StoredFile): void {
  if (bytes.length > bounds.fileBytes)
    throw new Unstorable(`a file of ${bytes.length} bytes is not kept: ${bounds.fileBytes} at most`);
  const longest = Math.max(name.length, mimeType.length);
  if (longest > bounds.fileNameLength)
    throw new Unstorable(
      `a file's name or type of ${longest} characters is not kept: ${bounds.fileNameLength} at most`,
    );
}

/** The store did not answer or could not write; the same call may succeed later. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  /** Whether it may have been done all the same: it was sent, and its answer was lost. */
  readonly maybeDone: boolean;
  constructor(
    message: string,
    { maybeDone = false, ...options }: { readonly cause?: unknown; readonly maybeDone?: boolean } = {},
  ) {
    super(message, options);
    this.maybeDone = maybeDone;
  }
}

/** Whether an error is an outage of the store. */
export const isUnavailable = (error: unknown): boolean => error instanceof StoreUnavailable;

/** The store answers, but can never do what is asked of it. The message says why, and what to do. */
export class UnsuitableStore extends Error {
  override readonly name = 'UnsuitableStore';
}

/**
 * The state can never be stored: its id or a part of it is too long, or it cannot be written as JSON. Trying again does
 * not help.
 */
export class Unstorable extends Error {
  override readonly name = 'Unstorable';
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
