import type { Redis } from 'ioredis';
import { concat, defer, EMPTY, forkJoin, ignoreElements, map, of, tap, type Observable } from 'rxjs';
import { isSettled, sessionOf, type JobState, type JobStatus } from '../../../streams/job/job-state';
import { newestFirst, STATUSES, type JobTotals, type Position } from '../../listing/job-page';
import { STATE_TTL_S } from '../../job-store';
import type { JobScripts } from '../scripts/jobs';

/** An entry of an unsettled job is renewed with the first write after so long, and so outlives the state. */
const RENEW_S = 1200;
const SLACK_S = 60;
/** How long an entry lives that is not put again, s: longer than the state it leads to. */
const LIVES = [STATE_TTL_S + RENEW_S + SLACK_S, STATE_TTL_S + SLACK_S] as const;

/** What was put so lately is not stale, whatever is read: its state may be on its way. */
const GUARD_S = 60;

/** Jobs whose entries are known to be right; of others it is asked anew. */
const KNOWN = 50_000;

/** Sets of all jobs; no user's, whose names are percent-encoded. */
const ALL = '@';

/** Whose sets: a user's, or those of all. */
export const ownerOf = (userId: string | undefined): string => (userId === undefined ? ALL : encoded(userId));

/** A user's six keys, in one slot. */
export const indexKeys = (owner: string): readonly string[] =>
  [...STATUSES, 'until', 'bytes'].map((name) => `jobstream:jobs:{${owner}}:${name}`);

/** The unsettled jobs that a session watches. */
export const watchedKey = (clientId: string): string => `jobstream:watched:{${encoded(clientId)}}`;

/** Without braces and colons; what no UTF-8 can be made of is as good as lost. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/** An entry of the index; its state may be gone or have another status by now. */
export interface IndexEntry extends Position {
  readonly status: JobStatus;
}

export interface EntriesQuery {
  readonly owner: string;
  readonly statuses: readonly JobStatus[];
  readonly most: number;
  readonly after?: Position | undefined;
  /** Submitted before, ms. */
  readonly until?: number | undefined;
}

export interface Entries {
  readonly entries: readonly IndexEntry[];
  /** Whether there may be others after these. */
  readonly more: boolean;
  readonly totals: JobTotals;
  readonly bytes: number;
}

/**
 * Which jobs there are: of each user, and of all, by status and the newest first; and which unsettled ones each session
 * watches. A job is added before its state is first stored, and filed elsewhere after that: so whatever is stored is
 * found, and what is found may be stale. Whoever finds that heals it.
 */
export interface RedisIndex {
  /** Before a state is stored. Completes without a command where nothing is new. */
  before(state: JobState, workflowBytes?: number): Observable<never>;
  /** After it was; `isNew` where nothing of the job was there, and so perhaps nothing of the index either. */
  after(state: JobState, isNew?: boolean): Observable<never>;
  /** Files a job that was found under another status, or not at all, unless that was put just now. */
  heal(owner: string, state: JobState): Observable<never>;
  /** Drops entries of an owner that lead to no state. */
  drop(owner: string, promptIds: readonly string[]): Observable<never>;
  /** Forgets a job at once. */
  forget(state: JobState): Observable<never>;
  entries(query: EntriesQuery): Observable<Entries>;
  missing(promptIds: readonly string[]): Observable<readonly string[]>;
  /** Who a session watches. */
  watched(clientId: string): Observable<readonly string[]>;
  dropWatched(clientId: string, promptIds: readonly string[]): Observable<never>;
}

/** What is known to be in the index of a job that this instance writes. */
interface Filed {
  /** Absent where the sets do not agree. */
  readonly status: JobStatus | undefined;
  readonly session: string;
  readonly atMs: number;
  /** Put together with the state that is stored next. */
  readonly isNew: boolean;
}

type IndexCommands = JobScripts & Pick<Redis, 'zrange' | 'zrem'>;

export function redisIndex(
  redis: IndexCommands,
  ask: <T>(command: () => Promise<T>) => Observable<T>,
  nowMs: () => number,
): RedisIndex {
  const known = new Map<string, Filed>();

  function remember(state: JobState, status: JobStatus | undefined, isNew: boolean): void {
    known.delete(state.promptId);
    known.set(state.promptId, { status, session: sessionOf(state) ?? '', atMs: nowMs(), isNew });
    const oldest = known.keys().next();
    if (known.size > KNOWN && oldest.done !== true) known.delete(oldest.value);
  }

  function put(owner: string, state: JobState, how: 'add' | 'move', bytes = '', guardS = 0): Observable<JobStatus> {
    const { promptId, startedAt, status } = state;
    return ask(() =>
      redis.putInIndex(
        ...indexKeys(owner),
        ...[promptId, startedAt, STATUSES.indexOf(status) + 1, ...LIVES, how, bytes, guardS],
      ),
    ).pipe(map((at) => STATUSES[at - 1] ?? status));
  }

  const watch = (state: JobState): Observable<unknown> =>
    ask(() => redis.addToWatched(watchedKey(sessionOf(state) ?? ''), state.promptId, LIVES[0]));

  const unwatch = (state: JobState): Observable<unknown> =>
    ask(() => redis.zrem(watchedKey(sessionOf(state) ?? ''), state.promptId));

  const ownersOf = ({ userId }: JobState): readonly string[] => [ownerOf(userId), ALL];

  const isFresh = (state: JobState, filed: Filed): boolean =>
    filed.session === (sessionOf(state) ?? '') && nowMs() - filed.atMs < RENEW_S * 1000;

  const index: RedisIndex = {
    before: (state, workflowBytes) =>
      defer(() => {
        const filed = known.get(state.promptId);
        if (filed !== undefined && workflowBytes === undefined && isFresh(state, filed)) return EMPTY;
        const bytes = workflowBytes === undefined ? '' : String(workflowBytes);
        const watched$ = isSettled(state) ? of(undefined) : watch(state);
        const added$ = forkJoin(ownersOf(state).map((owner) => put(owner, state, 'add', bytes)));
        return forkJoin([added$, watched$]).pipe(
          tap(([[ofUser, ofAll]]) => remember(state, ofUser === ofAll ? ofUser : undefined, true)),
        );
      }).pipe(ignoreElements()),

    after: (state, isNew = false) =>
      defer(() => {
        const { promptId, status } = state;
        if (isNew && known.get(promptId)?.isNew === false) {
          known.delete(promptId);
          return concat(index.before(state), index.after(state));
        }
        const isFiled = known.get(promptId)?.status === status;
        const moved$ = isFiled ? [] : ownersOf(state).map((owner) => put(owner, state, 'move'));
        const over$ = isSettled(state) ? [unwatch(state)] : [];
        const done = (): void => {
          if (isSettled(state)) known.delete(promptId);
          else if (!isFiled || known.get(promptId)?.isNew === true) remember(state, status, false);
        };
        return forkJoin([...moved$, ...over$]).pipe(tap({ complete: done }));
      }).pipe(ignoreElements()),

    heal: (owner, state) => put(owner, state, 'move', '', GUARD_S).pipe(ignoreElements()),

    drop: (owner, promptIds) =>
      ask(() => redis.dropFromIndex(...indexKeys(owner), ...LIVES, GUARD_S, ...promptIds)).pipe(ignoreElements()),

    forget: (state) =>
      defer(() => {
        known.delete(state.promptId);
        const dropped = (owner: string) =>
          ask(() => redis.dropFromIndex(...indexKeys(owner), ...LIVES, 0, state.promptId));
        return forkJoin([...ownersOf(state).map(dropped), unwatch(state)]);
      }).pipe(ignoreElements()),

    entries: ({ owner, statuses, most, after, until }) =>
      ask(() =>
        redis.pageOfIndex(
          ...indexKeys(owner),
          ...[most, after?.startedAt ?? '', after?.promptId ?? '', until ?? ''],
          STATUSES.map((status, i) => (statuses.includes(status) ? i + 1 : '')).join(''),
        ),
      ).pipe(
        map(([counts, bytes, ...lists]) => {
          const wanted = STATUSES.filter((status) => statuses.includes(status));
          const found = lists.flatMap((list, i) => entriesIn(list, wanted[i] ?? 'queued')).sort(newestFirst);
          const [queued = 0, processing = 0, completed = 0, failed = 0] = counts;
          return {
            entries: found.slice(0, most),
            more: found.length >= most,
            totals: { queued, processing, completed, failed },
            bytes: Number(bytes),
          };
        }),
      ),

    missing: (promptIds) => ask(() => redis.missingInIndex(...indexKeys(ALL), ...promptIds)),

    watched: (clientId) => ask(() => redis.zrange(watchedKey(clientId), 0, '-1')),

    dropWatched: (clientId, promptIds) =>
      ask(() => redis.dropFromWatched(watchedKey(clientId), LIVES[0], GUARD_S, ...promptIds)).pipe(ignoreElements()),
  };
  return index;
}

const entriesIn = (list: readonly string[], status: JobStatus): readonly IndexEntry[] =>
  list.flatMap((promptId, i) => (i % 2 === 0 ? [{ promptId, startedAt: Number(list[i + 1]), status }] : []));
