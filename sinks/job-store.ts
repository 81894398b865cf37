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

/** The prefix of every key that holds a state, and of no other key of ours: existing readers ask for `KEYS comfyui:job:*`. */
export const JOB_KEY_PREFIX = 'comfyui:job:';

/** Where a job's state is stored. */
export const jobKey = (promptId: string): string => `${JOB_KEY_PREFIX}${promptId}`;

/** What became of a write: taken, or refused because the store holds a state at least as new. */
export type PutOutcome = 'stored' | 'stale';

/** Unsettled jobs of a user, and bytes of the workflows that are stored for them. */
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
  /** Who watches which jobs. */
  readonly leases: Leases;
  /** What other servers are still to be told. */
  readonly hooks: Hooks;
  /**
   * Stores a state unless a state at least as new (by `epoch`, then `seq`) or a settled one is there (R1), with the
   * workflow where one is given, and announces it to the feed: all in one write. A settled state drops the workflow that
   * is stored. Emits the outcome and completes; errors with `StoreUnavailable`, or `Unstorable` where it can never be
   * stored. Safe to repeat: the very state that is there is `stored` again, which renews its time to live and announces
   * nothing. A value that is no state of ours is written over and reported.
   */
  put(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome>;
  /** The stored state, or `undefined`. Errors with `StoreUnavailable`, or `UnreadableState` if the value is not ours. */
  get(promptId: string): Observable<JobState | undefined>;
  /** The workflow stored with a job that has not settled, or `undefined`. */
  workflow(promptId: string): Observable<StoredWorkflow | undefined>;
  /** Those of many jobs, as far as they are found together: whoever misses one asks for it by itself. */
  workflows(promptIds: readonly string[]): Observable<ReadonlyMap<string, StoredWorkflow>>;
  /**
   * Files jobs that are stored already in the lists, many at once, so that the next `put` of each has nothing to file: it
   * may do nothing. Emits nothing; errors with `StoreUnavailable`.
   */
  refile(states: readonly JobState[]): Observable<never>;
  /**
   * A page of the states that match, newest first, from an index and at most `bounds.pageReads` states: where few match, a
   * page may hold fewer than were asked for, and a cursor to go on from. What is unreadable is reported and passed over.
   * Errors with `StoreUnavailable`, or `InvalidCursor`.
   */
  page(query: JobQuery): Observable<JobPage>;
  /**
   * Each readable unsettled state once, in no order, by index; those that are known already are not read. What is
   * unreadable is reported and passed over. Errors with `StoreUnavailable`.
   */
  live(isKnown?: (promptId: string) => boolean): Observable<JobState>;
  /** The unsettled states that a session watches, likewise. */
  liveOf(clientId: string, isKnown?: (promptId: string) => boolean): Observable<JobState>;
  /** What a user has in the store that has not ended. */
  usage(userId: string): Observable<Usage>;
  /** Keeps a file of a job for as long as its state lives, in place of one of that name. Emits nothing; errors with `Unstorable` past `bounds.file…`. */
  keepFile(promptId: string, name: string, file: StoredFile): Observable<never>;
  /** A file that was kept, or `undefined`. */
  file(promptId: string, name: string): Observable<StoredFile | undefined>;
  /** Forgets a job, its workflow and its files. Emits whether it was there and completes. */
  remove(promptId: string): Observable<boolean>;
  /**
   * Keeps a text under a name for `RESERVED_S`, unless one is kept there already. Emits what is there now, by whichever
   * instance, and completes; errors with `StoreUnavailable`. Safe to repeat.
   */
  reserve(name: string, text: string): Observable<string>;
  /** Replaces the text of a reserved name, which is kept no longer for it. Nothing where the name is not reserved. */
  amend(name: string, text: string): Observable<never>;
  /** What runs taught of nodes' durations, text by key, whichever instance learnt it. Errors with `StoreUnavailable`. */
  learned(): Observable<readonly LearnedEntry[]>;
  /** Keeps what was learnt, all of it for `LEARNED_S` after the last write; without a text a key is forgotten. */
  learn(entries: readonly LearnedEntry[]): Observable<never>;
  /**
   * States of one job as any instance on this store stores them, from subscription on; never completes or errors. Where
   * the feed takes time to open, or was lost and is back, the stored state comes first, so that whoever subscribes and
   * then `get`s misses no last word. Hence a state may come twice: take only what is newer than what was seen.
   */
  changes(promptId: string): Observable<JobState>;
  /**
   * Tells a state that is not stored yet to those who watch its job through other instances; nothing where nobody does.
   * Lossy, never an end, and never behind what is stored under a newer owner (R11).
   */
  announce(state: JobState): void;
  /** Likewise a preview, `bounds.sharedPreviewsPerSecond` of a job at most; `epoch` is its job's. */
  show(preview: Preview, epoch: number): void;
  /** Previews of a job that another instance watches, as it shows them; lossy, never completes or errors. */
  previews(promptId: string): Observable<Preview>;
  /**
   * What of the store's own settings endangers jobs: a sentence each, naming the setting and what to set; none where all
   * is well. Errors with `StoreUnavailable`, or `UnsuitableStore` where it could never work.
   */
  preflight(): Observable<readonly string[]>;
  /**
   * Emits when the store may have lost what it acknowledged: its connection was made anew, or a lease of ours was not there
   * any more. Now and then in vain; never completes or errors.
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

/** Throws `Unstorable` where a file of a job is larger, or its name longer, than may be. */
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
}

/** The store answers, but can never do what is asked of it. Says why, and what to do. */
export class UnsuitableStore extends Error {
  override readonly name = 'UnsuitableStore';
}

/** The state can never be stored: its id or a part of it is too long, or cannot be written as JSON. Trying again changes nothing. */
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
