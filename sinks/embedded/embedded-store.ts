import * as E from 'fp-ts/Either';
import {
  asyncScheduler,
  catchError,
  concatMap,
  defer,
  exhaustMap,
  ignoreElements,
  interval,
  map,
  NEVER,
  of,
  reduce,
  tap,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { isNewer, isSettled, type JobState } from '../../streams/job/job-state';
import type { LearnedEntry } from '../../streams/job/progress/learned/learned';
import type { Report } from '../../streams/operators/reporting';
import { watchers } from '../../streams/operators/keyed-watchers';
import { decodeJobState } from '../job-state.codec';
import { decodeStoredWorkflow, KEPT_S, type StoredWorkflow } from '../stored-workflow.codec';
import {
  assertStorable,
  isStorable,
  JOB_KEY_PREFIX,
  jobKey,
  LEARNED_S,
  RESERVED_S,
  STATE_TTL_S,
  type JobStore,
  type PutOutcome,
  type UnreadableState,
} from '../job-store';
import { embeddedFiles, FILES_PREFIX, removeFiles } from './embedded-files';
import { embeddedIndex } from './embedded-index';
import { embeddedHooks } from './embedded-webhook-queue';
import { embeddedListing } from './embedded-listing';
import { dueLater, expired } from './embedded-expiry';
import { CLAIM_PREFIX, claimFile } from './file-claim';
import { lmdbFile, type Entry, type Txn } from './lmdb-file';
import { soleLeases } from './single-process-leases';

/** How often what has expired is swept out; until then it is only hidden. */
export const SWEEP_MS = 60_000;

export interface EmbeddedStoreOptions {
  /** Where the file is kept: a folder on a local disk, of one process at a time. */
  readonly directory: string;
  readonly clock?: SchedulerLike;
  readonly report: Report;
}

/** What a put did besides its outcome. */
interface Written {
  readonly outcome: PutOutcome;
  readonly isNews: boolean;
  readonly foreign?: UnreadableState;
}

/**
 * States in a file, for one process without Redis. What was stored outlives `kill -9`. Throws `StoreUnavailable` if the
 * file cannot be opened, or another process has it.
 */
export function embeddedStore({ directory, clock = asyncScheduler, report }: EmbeddedStoreOptions): JobStore {
  const file = lmdbFile(directory);
  const release = claimFile(file, directory, report);
  const feed = watchers<JobState>();
  const index = embeddedIndex(file);

  const isAlive = ({ until }: Entry): boolean => until > clock.now();
  const alive = (from: Pick<Txn, 'read'>, key: string): Entry | undefined => {
    const entry = isKey(key) ? from.read(key) : undefined;
    return entry !== undefined && isAlive(entry) ? entry : undefined;
  };
  const listing = embeddedListing({ file, index, alive, report });

  /** Writes what is to be swept out when its time is over. */
  function lasting(txn: Txn, key: string, text: string, until: number): void {
    if (txn.read(key) === undefined) dueLater(txn, key, until);
    txn.write({ key, text, until });
  }

  function write(txn: Txn, state: JobState, text: string, workflow: string | undefined): Written {
    const key = jobKey(state.promptId);
    const entry = alive(txn, key);
    const isNews = entry?.text !== text;
    const held = entry !== undefined && isNews ? decodeJobState(key, entry.text) : undefined;
    if (held !== undefined && E.isRight(held) && (isSettled(held.right) || !isNewer(state, held.right)))
      return { outcome: 'stale', isNews: false };
    if (entry === undefined) forget(txn, state.promptId);
    lasting(txn, key, text, clock.now() + STATE_TTL_S * 1000);
    index.put(txn, state, workflow === undefined ? undefined : Buffer.byteLength(workflow));
    if (isSettled(state)) txn.remove(workflowKey(state.promptId));
    else if (workflow !== undefined)
      txn.write({ key: workflowKey(state.promptId), text: workflow, until: clock.now() + KEPT_S * 1000 });
    return { outcome: 'stored', isNews, ...(held !== undefined && E.isLeft(held) && { foreign: held.left }) };
  }

  /** All that is kept of a job. */
  function forget(txn: Txn, promptId: string): void {
    txn.remove(jobKey(promptId));
    txn.remove(workflowKey(promptId));
    removeFiles(txn, promptId);
    index.remove(txn, promptId);
  }

  function removeExpired(txn: Txn, key: string): void {
    // Files of before have the claim among what is due.
    if (key.startsWith(CLAIM_PREFIX)) return;
    if (key.startsWith(JOB_KEY_PREFIX)) forget(txn, key.slice(JOB_KEY_PREFIX.length));
    else if (!key.startsWith(FILES_PREFIX)) txn.remove(key);
    else if (alive(txn, jobKey(key.slice(FILES_PREFIX.length))) === undefined)
      removeFiles(txn, key.slice(FILES_PREFIX.length));
  }

  const sweeping = interval(SWEEP_MS, clock)
    .pipe(exhaustMap(() => expired(file, clock, removeExpired, report)))
    .subscribe();

  const put = (state: JobState, workflow: StoredWorkflow | undefined): Observable<Written> => {
    assertStorable(state.promptId);
    const text = JSON.stringify(state);
    const kept = workflow === undefined || isSettled(state) ? undefined : JSON.stringify(workflow);
    return file.transact((txn) => write(txn, state, text, kept));
  };

  const store: JobStore = {
    leases: soleLeases(() => store.live()),
    hooks: embeddedHooks(file, clock),
    ...listing,
    ...embeddedFiles(file, clock),

    put: (state, workflow) =>
      defer(() => put(state, workflow)).pipe(
        tap(({ isNews, foreign }) => {
          if (foreign !== undefined) report('embedded put', foreign);
          if (isNews) feed.tell(state.promptId, state);
        }),
        map(({ outcome }) => outcome),
      ),

    get: (promptId) =>
      defer(() => {
        const key = jobKey(promptId);
        const entry = alive(file, key);
        const state = entry && decodeJobState(key, entry.text);
        if (state !== undefined && E.isLeft(state)) throw state.left;
        return of(state?.right);
      }),

    workflow: (promptId) =>
      defer(() => {
        const entry = alive(file, workflowKey(promptId));
        return of(entry && decodeStoredWorkflow(entry.text));
      }),

    reserve: (name, text) =>
      file.transact((txn) => {
        const key = reservedKey(name);
        const held = alive(txn, key);
        if (held === undefined) lasting(txn, key, text, clock.now() + RESERVED_S * 1000);
        return held?.text ?? text;
      }),

    amend: (name, text) =>
      file
        .transact((txn) => {
          const held = alive(txn, reservedKey(name));
          if (held !== undefined) txn.write({ ...held, text });
        })
        .pipe(ignoreElements()),

    learned: () =>
      file.batches(LEARNED).pipe(
        map((entries) => entries.map(({ key, text }): LearnedEntry => [key.slice(LEARNED.length), text])),
        reduce((all: readonly LearnedEntry[], some) => all.concat(some), []),
      ),

    learn: (entries) =>
      file
        .transact((txn) => {
          for (const [key, text] of entries) {
            if (text === undefined) txn.remove(LEARNED + key);
            else lasting(txn, LEARNED + key, text, clock.now() + LEARNED_S * 1000);
          }
        })
        .pipe(ignoreElements()),

    remove: (promptId) =>
      file.transact((txn) => {
        if (!isStorable(promptId)) return false;
        const wasThere = alive(txn, jobKey(promptId)) !== undefined;
        forget(txn, promptId);
        return wasThere;
      }),

    // One process: whoever watches a job hears of it there.
    changes: (promptId) => feed.changes(promptId),
    announce: () => undefined,
    show: () => undefined,
    previews: () => NEVER,

    preflight: () => store.healthy().pipe(concatMap((isWell) => (isWell ? of([]) : probe()))),

    healthy: () =>
      probe().pipe(
        map(() => true),
        catchError(() => of(false)),
      ),

    close: () =>
      defer(() => {
        sweeping.unsubscribe();
        return file.close(release);
      }),
  };

  /** Writes something and reads it, as all that is stored needs it. Errors with `StoreUnavailable`. */
  const probe = (): Observable<readonly string[]> =>
    file.transact((txn) => txn.write({ key: PROBE_KEY, text: '', until: clock.now() })).pipe(map(() => []));

  return store;
}

/** What LMDB takes for a key: 1978 bytes. */
const isKey = (key: string): boolean => Buffer.byteLength(key) < 1_950;

const PROBE_KEY = 'probe';

const workflowKey = (promptId: string): string => `workflow:${promptId}`;

/** How keys of what was learnt begin. */
const LEARNED = 'learned:';

const reservedKey = (name: string): string => `reserved:${name}`;
