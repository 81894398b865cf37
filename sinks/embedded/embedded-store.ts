import * as E from 'fp-ts/Either';
import {
  asyncScheduler,
  catchError,
  concatMap,
  count,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  ignoreElements,
  interval,
  map,
  of,
  tap,
  throwError,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { isNewer, isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import { reporting, type Report } from '../../streams/operators/reporting';
import { watchers } from '../../streams/operators/keyed-watchers';
import { embeddedHooks } from './embedded-webhook-queue';
import { pageOf } from '../job-page';
import { decodeJobState } from '../job-state.codec';
import { decodeStoredWorkflow, KEPT_S } from '../stored-workflow.codec';
import {
  JOB_KEY_PREFIX,
  jobKey,
  RESERVED_S,
  STATE_TTL_S,
  Unstorable,
  type JobStore,
  type PutOutcome,
  type UnreadableState,
} from '../job-store';
import { lmdbFile, type Entry, type Txn } from './lmdb-file';
import { soleLeases } from './single-process-leases';

/** How often what has expired is swept out; until then it is only hidden. */
export const SWEEP_MS = 60_000;

/** LMDB's limit is 1978 bytes to a key. */
const MAX_KEY_BYTES = 1900;

export interface EmbeddedStoreOptions {
  /** Where the file is kept: a local disk, which several processes may share. */
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
 * States in a file, for one machine without Redis. What was stored outlives `kill -9`; several processes may use one
 * directory, but each hears only its own `changes`. Throws `StoreUnavailable` if the file cannot be opened.
 */
export function embeddedStore({ directory, clock = asyncScheduler, report }: EmbeddedStoreOptions): JobStore {
  const file = lmdbFile(directory);
  const feed = watchers();

  const isAlive = ({ until }: Entry): boolean => until > clock.now();
  const alive = (from: Pick<Txn, 'read'>, key: string): Entry | undefined => {
    const entry = from.read(key);
    return entry !== undefined && isAlive(entry) ? entry : undefined;
  };

  const write = (txn: Txn, state: JobState, key: string, text: string): Written => {
    const entry = alive(txn, key);
    const isNews = entry?.text !== text;
    const held = entry !== undefined && isNews ? decodeJobState(key, entry.text) : undefined;
    if (held !== undefined && E.isRight(held) && (isSettled(held.right) || !isNewer(state, held.right)))
      return { outcome: 'stale', isNews: false };
    txn.write({ key, text, until: clock.now() + STATE_TTL_S * 1000 });
    return { outcome: 'stored', isNews, ...(held !== undefined && E.isLeft(held) && { foreign: held.left }) };
  };

  function readable({ key, text }: Entry): Observable<JobState> {
    const state = decodeJobState(key, text);
    if (E.isRight(state)) return of(state.right);
    report('embedded list', state.left);
    return EMPTY;
  }

  const expiredKeys = (entries: readonly Entry[]): readonly string[] =>
    entries.filter((entry) => !isAlive(entry)).map(({ key }) => key);

  function removeExpired(keys: readonly string[]): Observable<unknown> {
    return file.transact((txn) =>
      keys.filter((key) => alive(txn, key) === undefined).forEach((key) => txn.remove(key)),
    );
  }

  const sweep$ = file.batches().pipe(
    map(expiredKeys),
    filter((keys) => keys.length > 0),
    concatMap(removeExpired),
    reporting('embedded sweep', report),
    catchError(() => EMPTY),
  );
  const sweeping = interval(SWEEP_MS, clock)
    .pipe(exhaustMap(() => sweep$))
    .subscribe();

  const all = (): Observable<JobState> =>
    file.batches().pipe(
      concatMap((entries) => entries.filter((entry) => isAlive(entry) && entry.key.startsWith(JOB_KEY_PREFIX))),
      concatMap(readable),
    );

  const store: JobStore = {
    leases: soleLeases(() => store.live()),
    hooks: embeddedHooks(file, clock),

    put: (state, workflow) =>
      defer(() => {
        const key = jobKey(state.promptId);
        if (isTooLong(key)) return throwError(() => new Unstorable('a promptId this long cannot be stored'));
        const text = JSON.stringify(state);
        return file.transact((txn) => {
          const written = write(txn, state, key, text);
          const until = clock.now() + KEPT_S * 1000;
          const at = workflowKey(state.promptId);
          if (written.outcome === 'stored' && isSettled(state)) txn.remove(at);
          else if (written.outcome === 'stored' && workflow !== undefined)
            txn.write({ key: at, text: JSON.stringify(workflow), until });
          return written;
        });
      }).pipe(
        tap(({ isNews, foreign }) => {
          if (foreign !== undefined) report('embedded put', foreign);
          if (isNews) feed.tell(state);
        }),
        map(({ outcome }) => outcome),
      ),

    get: (promptId) =>
      defer(() => {
        const key = jobKey(promptId);
        const entry = isTooLong(key) ? undefined : alive(file, key);
        const state = entry && decodeJobState(key, entry.text);
        if (state !== undefined && E.isLeft(state)) throw state.left;
        return of(state?.right);
      }),

    workflow: (promptId) =>
      defer(() => {
        const entry = alive(file, workflowKey(promptId));
        return of(entry && decodeStoredWorkflow(entry.text));
      }),

    page: (query) =>
      all().pipe(
        toArray(),
        map((states) => pageOf(states, query)),
      ),

    live: () => all().pipe(filter((state) => !isSettled(state))),

    liveOf: (clientId) => all().pipe(filter((state) => !isSettled(state) && sessionOf(state) === clientId)),

    usage: (userId) =>
      all().pipe(
        filter((state) => !isSettled(state) && state.userId === userId),
        count(),
        map((jobs) => ({ jobs, bytes: 0 })),
      ),

    keepFile: () => EMPTY,

    file: () => of(undefined),

    reserve: (name, text) =>
      file.transact((txn) => {
        const key = reservedKey(name);
        const held = alive(txn, key);
        if (held === undefined) txn.write({ key, text, until: clock.now() + RESERVED_S * 1000 });
        return held?.text ?? text;
      }),

    amend: (name, text) =>
      file
        .transact((txn) => {
          const held = alive(txn, reservedKey(name));
          if (held !== undefined) txn.write({ ...held, text });
        })
        .pipe(ignoreElements()),

    remove: (promptId) =>
      defer(() => {
        const key = jobKey(promptId);
        if (isTooLong(key)) return of(false);
        return file.transact((txn) => {
          const wasThere = alive(txn, key) !== undefined;
          txn.remove(key);
          txn.remove(workflowKey(promptId));
          return wasThere;
        });
      }),

    changes: (promptId) => feed.changes(promptId),

    preflight: () => of([]),

    healthy: () =>
      defer(() => of(file.read(jobKey('healthy')))).pipe(
        map(() => true),
        catchError(() => of(false)),
      ),

    close: () =>
      defer(() => {
        sweeping.unsubscribe();
        return file.close();
      }),
  };
  return store;
}

const workflowKey = (promptId: string): string => `workflow:${promptId}`;

const reservedKey = (name: string): string => `reserved:${name}`;

const isTooLong = (key: string): boolean => Buffer.byteLength(key) > MAX_KEY_BYTES;
