import type { Redis } from 'ioredis';
import { concat, defer, EMPTY, forkJoin, ignoreElements, map, of, tap, type Observable } from 'rxjs';
import { isSettled, sessionOf, type JobState, type JobStatus } from '../../../streams/job/job-state';
import { newestFirst, STATUSES, type JobTotals, type Position } from '../../listing/job-page';
import { STATE_TTL_S } from '../../job-store';
import type { IndexPage, JobScripts } from '../scripts/jobs';
import { FiledJobs, RENEW_S } from './filed-jobs';

const SLACK_S = 60;
/** How long an entry lives that is not put again, s: longer than the state it leads to. */
const LIVES = [STATE_TTL_S + RENEW_S + SLACK_S, STATE_TTL_S + SLACK_S] as const;

/** What was put so lately is not stale, whatever is read: its state may be on its way. */
const GUARD_S = 60;

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

type IndexCommands = JobScripts & Pick<Redis, 'zrange' | 'zrem'>;
type Ask = <T>(command: () => Promise<T>) => Observable<T>;

class ScriptedIndex implements RedisIndex {
  readonly #redis: IndexCommands;
  readonly #ask: Ask;
  readonly #filed: FiledJobs;

  constructor(redis: IndexCommands, ask: Ask, nowMs: () => number) {
    this.#redis = redis;
    this.#ask = ask;
    this.#filed = new FiledJobs(nowMs);
  }

  before(state: JobState, workflowBytes?: number): Observable<never> {
    return defer(() => {
      if (workflowBytes === undefined && this.#filed.isFresh(state)) return EMPTY;
      const bytes = workflowBytes === undefined ? '' : String(workflowBytes);
      const watched$ = isSettled(state) ? of(undefined) : this.#watch(state);
      const added$ = forkJoin(ownersOf(state).map((owner) => this.#put(owner, state, 'add', bytes)));
      return forkJoin([added$, watched$]).pipe(
        tap(([[ofUser, ofAll]]) => this.#filed.set(state, ofUser === ofAll ? ofUser : undefined, true)),
      );
    }).pipe(ignoreElements());
  }

  after(state: JobState, isNew = false): Observable<never> {
    return defer(() => {
      const { promptId } = state;
      if (!isNew || this.#filed.get(promptId)?.isNew !== false) return this.#moved(state);
      this.#filed.delete(promptId);
      return concat(this.before(state), this.after(state));
    }).pipe(ignoreElements());
  }

  heal(owner: string, state: JobState): Observable<never> {
    return this.#put(owner, state, 'move', '', GUARD_S).pipe(ignoreElements());
  }

  drop(owner: string, promptIds: readonly string[]): Observable<never> {
    return this.#dropped(owner, GUARD_S, promptIds).pipe(ignoreElements());
  }

  forget(state: JobState): Observable<never> {
    return defer(() => {
      this.#filed.delete(state.promptId);
      const dropped = ownersOf(state).map((owner) => this.#dropped(owner, 0, [state.promptId]));
      return forkJoin([...dropped, this.#unwatch(state)]);
    }).pipe(ignoreElements());
  }

  entries({ owner, statuses, most, after, until }: EntriesQuery): Observable<Entries> {
    const wanted = STATUSES.filter((status) => statuses.includes(status));
    const place = [most, after?.startedAt ?? '', after?.promptId ?? '', until ?? ''];
    const numbers = wanted.map((status) => STATUSES.indexOf(status) + 1).join('');
    return this.#ask(() => this.#redis.pageOfIndex(...indexKeys(owner), ...place, numbers)).pipe(
      map((page) => entriesOf(page, wanted, most)),
    );
  }

  missing(promptIds: readonly string[]): Observable<readonly string[]> {
    return this.#ask(() => this.#redis.missingInIndex(...indexKeys(ALL), ...promptIds));
  }

  watched(clientId: string): Observable<readonly string[]> {
    return this.#ask(() => this.#redis.zrange(watchedKey(clientId), 0, '-1'));
  }

  dropWatched(clientId: string, promptIds: readonly string[]): Observable<never> {
    return this.#ask(() => this.#redis.dropFromWatched(watchedKey(clientId), LIVES[0], GUARD_S, ...promptIds)).pipe(
      ignoreElements(),
    );
  }

  /** Files a job under its status, and ends its session's watch of it where it settled. */
  #moved(state: JobState): Observable<unknown> {
    const { promptId, status } = state;
    const isFiled = this.#filed.get(promptId)?.status === status;
    const moved = isFiled ? [] : ownersOf(state).map((owner) => this.#put(owner, state, 'move'));
    const over = isSettled(state) ? [this.#unwatch(state)] : [];
    const done = (): void => {
      if (isSettled(state)) this.#filed.delete(promptId);
      else if (!isFiled || this.#filed.get(promptId)?.isNew === true) this.#filed.set(state, status, false);
    };
    return forkJoin([...moved, ...over]).pipe(tap({ complete: done }));
  }

  #put(owner: string, state: JobState, how: 'add' | 'move', bytes = '', guardS = 0): Observable<JobStatus> {
    const { promptId, startedAt, status } = state;
    const args = [promptId, startedAt, STATUSES.indexOf(status) + 1, ...LIVES, how, bytes, guardS];
    return this.#ask(() => this.#redis.putInIndex(...indexKeys(owner), ...args)).pipe(
      map((at) => STATUSES[at - 1] ?? status),
    );
  }

  #dropped(owner: string, guardS: number, promptIds: readonly string[]): Observable<unknown> {
    return this.#ask(() => this.#redis.dropFromIndex(...indexKeys(owner), ...LIVES, guardS, ...promptIds));
  }

  #watch(state: JobState): Observable<unknown> {
    return this.#ask(() => this.#redis.addToWatched(watchedKey(sessionOf(state) ?? ''), state.promptId, LIVES[0]));
  }

  #unwatch(state: JobState): Observable<unknown> {
    return this.#ask(() => this.#redis.zrem(watchedKey(sessionOf(state) ?? ''), state.promptId));
  }
}

/** The index of all instances on one Redis. */
export const redisIndex = (redis: IndexCommands, ask: Ask, nowMs: () => number): RedisIndex =>
  new ScriptedIndex(redis, ask, nowMs);

const ownersOf = ({ userId }: JobState): readonly string[] => [ownerOf(userId), ALL];

function entriesOf([counts, bytes, ...lists]: IndexPage, wanted: readonly JobStatus[], most: number): Entries {
  const found = lists.flatMap((list, i) => entriesIn(list, wanted[i] ?? 'queued')).sort(newestFirst);
  const [queued = 0, processing = 0, completed = 0, failed = 0] = counts;
  return {
    entries: found.slice(0, most),
    more: found.length >= most,
    totals: { queued, processing, completed, failed },
    bytes: Number(bytes),
  };
}

const entriesIn = (list: readonly string[], status: JobStatus): readonly IndexEntry[] =>
  list.flatMap((promptId, i) => (i % 2 === 0 ? [{ promptId, startedAt: Number(list[i + 1]), status }] : []));
