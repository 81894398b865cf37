import * as E from 'fp-ts/Either';
import { concatMap, defer, map, of, tap, type Observable, type SchedulerLike } from 'rxjs';
import { isNewer, isSettled, type JobState } from '../../../streams/job/job-state';
import type { Watchers } from '../../../streams/maps/keyed-watchers';
import type { Report } from '../../../streams/operators/reporting';
import { decodeJobState } from '../../codecs/job-state.codec';
import {
  assertStorable,
  isStorable,
  JOB_KEY_PREFIX,
  jobKey,
  STATE_TTL_S,
  type PutOutcome,
  type UnreadableState,
} from '../../job-store';
import {
  bytesOfPacked,
  bytesOfPrompt,
  KEPT_S,
  packedWorkflow,
  unpackedWorkflow,
  type StoredWorkflow,
} from '../../codecs/stored-workflow.codec';
import { alive, lasting } from '../file/expiry';
import { CLAIM_PREFIX } from '../file/file-claim';
import type { LmdbFile, Txn } from '../file/lmdb-file';
import type { EmbeddedIndex } from '../listing/embedded-index';
import { FILES_PREFIX, removeFiles } from './embedded-files';

/**
 * What a put did. `isNews`: another state was stored before, or none. `foreign`: the unreadable value that was written
 * over.
 */
interface Written {
  readonly outcome: PutOutcome;
  readonly isNews: boolean;
  readonly foreign?: UnreadableState;
}

/** A workflow as it is stored, and its bytes before it was packed. */
interface Given {
  readonly text: string;
  readonly bytes: number;
}

export interface EmbeddedStatesParts {
  readonly file: LmdbFile;
  readonly index: EmbeddedIndex;
  /** Called with each stored state that differs from the one before. */
  readonly feed: Pick<Watchers<JobState>, 'tell'>;
  readonly clock: SchedulerLike;
  readonly report: Report;
}

/** States and workflows in a file, each with its place in the index in one transaction. */
export class EmbeddedStates {
  readonly #file: LmdbFile;
  readonly #index: EmbeddedIndex;
  readonly #feed: EmbeddedStatesParts['feed'];
  readonly #clock: SchedulerLike;
  readonly #report: Report;

  constructor({ file, index, feed, clock, report }: EmbeddedStatesParts) {
    this.#file = file;
    this.#index = index;
    this.#feed = feed;
    this.#clock = clock;
    this.#report = report;
  }

  /** See `JobStore.put`. */
  put(state: JobState, workflow?: StoredWorkflow): Observable<PutOutcome> {
    return defer(() => {
      assertStorable(state.promptId);
      const text = JSON.stringify(state);
      const written = (given?: Given): Observable<Written> =>
        this.#file.transact((txn) => this.#write(txn, state, text, given));
      if (workflow === undefined || isSettled(state)) return written();
      const bytes = bytesOfPrompt(workflow.prompt);
      return packedWorkflow(workflow).pipe(concatMap((kept) => written({ text: kept, bytes })));
    }).pipe(
      tap(({ isNews, foreign }) => {
        if (foreign !== undefined) this.#report('embedded put', foreign);
        if (isNews) this.#feed.tell(state.promptId, state);
      }),
      map(({ outcome }) => outcome),
    );
  }

  /** See `JobStore.get`. */
  get(promptId: string): Observable<JobState | undefined> {
    return defer(() => {
      const key = jobKey(promptId);
      const entry = alive(this.#file, key, this.#clock);
      const state = entry && decodeJobState(key, entry.text);
      if (state !== undefined && E.isLeft(state)) throw state.left;
      return of(state?.right);
    });
  }

  /** See `JobStore.workflow`. */
  workflow(promptId: string): Observable<StoredWorkflow | undefined> {
    return defer(() => {
      const entry = alive(this.#file, workflowKey(promptId), this.#clock);
      return entry === undefined ? of(undefined) : unpackedWorkflow(entry.text);
    });
  }

  /** See `JobStore.remove`. */
  remove(promptId: string): Observable<boolean> {
    return this.#file.transact((txn) => {
      if (!isStorable(promptId)) return false;
      const wasThere = alive(txn, jobKey(promptId), this.#clock) !== undefined;
      this.#forget(txn, promptId);
      return wasThere;
    });
  }

  /** Removes an expired entry; with a state, all that is stored of its job. */
  removeExpired(txn: Txn, key: string): void {
    // Files of older versions schedule the claim too: it stays.
    if (key.startsWith(CLAIM_PREFIX)) return;
    if (key.startsWith(JOB_KEY_PREFIX)) this.#expire(txn, key.slice(JOB_KEY_PREFIX.length));
    else if (!key.startsWith(FILES_PREFIX)) txn.remove(key);
    else if (alive(txn, jobKey(key.slice(FILES_PREFIX.length)), this.#clock) === undefined)
      removeFiles(txn, key.slice(FILES_PREFIX.length));
  }

  #write(txn: Txn, state: JobState, text: string, workflow: Given | undefined): Written {
    const key = jobKey(state.promptId);
    const entry = alive(txn, key, this.#clock);
    const isNews = entry?.text !== text;
    const held = entry !== undefined && isNews ? decodeJobState(key, entry.text) : undefined;
    if (held !== undefined && E.isRight(held) && (isSettled(held.right) || !isNewer(state, held.right)))
      return { outcome: 'stale', isNews: false };
    // The workflow outlives the state, so that a late write finds it, and is renewed while its job is written. It may
    // have megabytes, so it is read for that once an hour only.
    const isDue = entry === undefined || hourOf(entry.until - STATE_TTL_S * 1000) !== hourOf(this.#clock.now());
    const kept = workflow?.text ?? (isDue ? alive(txn, workflowKey(state.promptId), this.#clock)?.text : undefined);
    // The index knows the bytes of a workflow that was stored before, but not those of one that outlived its state.
    const isUnknown = entry === undefined && kept !== undefined;
    if (entry === undefined) this.#forget(txn, state.promptId);
    lasting(txn, { key, text, until: this.#clock.now() + STATE_TTL_S * 1000 });
    this.#index.put(txn, state, workflow?.bytes ?? (isUnknown ? bytesOfPacked(kept) : undefined));
    this.#writeWorkflow(txn, state, kept);
    return { outcome: 'stored', isNews, ...(held !== undefined && E.isLeft(held) && { foreign: held.left }) };
  }

  #writeWorkflow(txn: Txn, state: JobState, workflow: string | undefined): void {
    const key = workflowKey(state.promptId);
    if (isSettled(state)) txn.remove(key);
    else if (workflow !== undefined) txn.write({ key, text: workflow, until: this.#clock.now() + KEPT_S * 1000 });
  }

  /** Removes an expired state and all that is stored of its job, except a workflow that has not expired. */
  #expire(txn: Txn, promptId: string): void {
    const workflow = alive(txn, workflowKey(promptId), this.#clock);
    this.#forget(txn, promptId);
    if (workflow !== undefined) lasting(txn, workflow);
  }

  /** Removes all that is stored of a job. */
  #forget(txn: Txn, promptId: string): void {
    txn.remove(jobKey(promptId));
    txn.remove(workflowKey(promptId));
    removeFiles(txn, promptId);
    this.#index.remove(txn, promptId);
  }
}

const hourOf = (ms: number): number => Math.floor(ms / 3_600_000);

const workflowKey = (promptId: string): string => `workflow:${promptId}`;
