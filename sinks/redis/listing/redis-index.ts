import type { Redis } from 'ioredis';
import { concat, defer, EMPTY, forkJoin, ignoreElements, map, of, tap, type Observable } from 'rxjs';
import { isSettled, sessionOf, standingOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import { newestFirst, noJobs, STANDINGS, type JobTotals, type Position } from '../../listing/job-page';
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

/** A user's seven keys, in one slot. */
export const indexKeys = (owner: string): readonly string[] =>
  [...STANDINGS, 'until', 'bytes'].map((name) => `jobstream:jobs:{${owner}}:${name}`);

/** The unsettled jobs that a session watches. */
export const watchedKey = (clientId: string): string => `jobstream:watched:{${encoded(clientId)}}`;

/** Without braces and colons; what no UTF-8 can be made of is as good as lost. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/** An entry of the index; its state may be gone or stand otherwise by now. */
export interface IndexEntry extends Position {
  readonly standing: JobStanding;
}

export interface EntriesQuery {
  readonly owner: string;
  readonly standings: readonly JobStanding[];
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
 * Which jobs there are: of each user, and of all, by standing and the newest first; and which unsettled ones each session
 * watches. A job is added before its state is first stored, and filed elsewhere after that: so whatever is stored is
 * found, and what is found may be stale. Whoever finds that heals it.
 */
export interface RedisIndex {
  /** Before a state is stored. Completes without a command where nothing is new. */
  before(state: JobState, workflowBytes?: number): Observable<never>;
  /** After it was; `isNew` where nothing of the job was there, and so perhaps nothing of the index either. */
  after(state: JobState, isNew?: boolean): Observable<never>;
  /** Files a job that was found under another standing, or not at all, unless that was put just now. */
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
  readonly standing: JobStanding | undefined;
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

  function remember(state: JobState, standing: JobStanding | undefined, isNew: boolean): void {
    known.delete(state.promptId);
    known.set(state.promptId, { standing, session: sessionOf(state) ?? '', atMs: nowMs(), isNew });
    const oldest = known.keys().next();
    if (known.size > KNOWN && oldest.done !== true) known.delete(oldest.value);
  }

  function put(owner: string, state: JobState, how: 'add' | 'move', bytes = '', guardS = 0): Observable<JobStanding> {
    const { promptId, startedAt } = state;
    const standing = standingOf(state);
    return ask(() =>
      redis.putInIndex(
        ...indexKeys(owner),
        ...[promptId, startedAt, STANDINGS.indexOf(standing) + 1, ...LIVES, how, bytes, guardS],
      ),
    ).pipe(map((at) => STANDINGS[at - 1] ?? standing));
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
        const { promptId } = state;
        const standing = standingOf(state);
        if (isNew && known.get(promptId)?.isNew === false) {
          known.delete(promptId);
          return concat(index.before(state), index.after(state));
        }
        const isFiled = known.get(promptId)?.standing === standing;
        const moved$ = isFiled ? [] : ownersOf(state).map((owner) => put(owner, state, 'move'));
        const over$ = isSettled(state) ? [unwatch(state)] : [];
        const done = (): void => {
          if (isSettled(state)) known.delete(promptId);
          else if (!isFiled || known.get(promptId)?.isNew === true) remember(state, standing, false);
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

    entries: ({ owner, standings, most, after, until }) =>
      ask(() =>
        redis.pageOfIndex(
          ...indexKeys(owner),
          ...[most, after?.startedAt ?? '', after?.promptId ?? '', until ?? ''],
          STANDINGS.map((standing, i) => (standings.includes(standing) ? i + 1 : '')).join(''),
        ),
      ).pipe(
        map(([counts, bytes, ...lists]) => {
          const wanted = STANDINGS.filter((standing) => standings.includes(standing));
          const found = lists.flatMap((list, i) => entriesIn(list, wanted[i] ?? 'queued')).sort(newestFirst);
          const each = STANDINGS.map((standing, i) => [standing, counts[i] ?? 0]);
          return {
            entries: found.slice(0, most),
            more: found.length >= most,
            totals: { ...noJobs, ...(Object.fromEntries(each) as JobTotals) },
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

const entriesIn = (list: readonly string[], standing: JobStanding): readonly IndexEntry[] =>
  list.flatMap((promptId, i) => (i % 2 === 0 ? [{ promptId, startedAt: Number(list[i + 1]), standing }] : []));
