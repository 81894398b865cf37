import type { Redis } from 'ioredis';
import { concat, defer, EMPTY, forkJoin, ignoreElements, map, of, tap, type Observable } from 'rxjs';
import { isSettled, sessionOf, standingOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import { STANDINGS } from '../../listing/job-page';
import { STATE_TTL_S } from '../../job-store';
import { WholeKeys, type TypedKey } from '../connection/whole-keys';
import type { JobScripts } from '../scripts/jobs';
import { FiledJobs, RENEW_S } from './filed-jobs';
import { agreed, grouped, type Filing } from './refiled';
import { entriesOf, type Entries, type EntriesQuery } from './index-page';

const SLACK_S = 60;
/** The time to live of an entry, s: longer than that of the state it leads to. */
const LIVES = [STATE_TTL_S + RENEW_S + SLACK_S, STATE_TTL_S + SLACK_S] as const;

/** An entry younger than this is never stale: its state may be on its way. */
const GUARD_S = 60;

/** Sets of all jobs; no user's, whose names are percent-encoded. */
const ALL = '@';

/** Whose sets: a user's, or those of all. */
export const ownerOf = (userId: string | undefined): string => (userId === undefined ? ALL : encoded(userId));

/** A user's seven keys, in one slot. */
const indexKeys = (owner: string): readonly TypedKey[] =>
  [...STANDINGS, 'until', 'bytes'].map((name) => [
    `jobstream:jobs:{${owner}}:${name}`,
    name === 'bytes' ? 'hash' : 'zset',
  ]);

/** The unsettled jobs that a session watches. */
export const watchedKey = (clientId: string): string => `jobstream:watched:{${encoded(clientId)}}`;

/** Without braces and colons; what no UTF-8 can be made of is as good as lost. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/**
 * Which jobs there are: of each user, and of all, by standing and the newest first; and which unsettled ones each session
 * watches. A job is added before its state is first stored, and filed elsewhere after that: so whatever is stored is
 * found, and what is found may be stale. Whoever finds that heals it.
 */
export interface RedisIndex {
  /** Whether the job is in the index as it stands: then there is nothing to do before its state is stored, nor after. */
  isFiled(state: JobState): boolean;
  /** Before a state is stored. Completes without a command where nothing is new. */
  before(state: JobState, workflowBytes?: number): Observable<never>;
  /**
   * Files jobs that are stored, many with one command an owner: of who is filed as it stands then, `before` and `after`
   * have nothing to do.
   */
  refile(states: readonly JobState[]): Observable<never>;
  /** After it was; `isNew` where nothing of the job was there, and so perhaps nothing of the index either. */
  after(state: JobState, isNew?: boolean): Observable<never>;
  /**
   * Files a job that was found under another standing, or not at all, unless that was put just now: in the sets of `owner`,
   * where it was found, and in all others, for what lost one move has mostly lost both.
   */
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
  /** Emits after a part of the index was lost, since somebody had written over it: jobs are missing. */
  readonly damaged$: Observable<unknown>;
}

type IndexCommands = JobScripts & Pick<Redis, 'zrange' | 'zrem'>;
type Ask = <T>(command: () => Promise<T>) => Observable<T>;

class ScriptedIndex implements RedisIndex {
  readonly damaged$: Observable<unknown>;
  readonly #redis: IndexCommands;
  readonly #keys: WholeKeys;
  readonly #filed: FiledJobs;

  constructor(redis: IndexCommands, ask: Ask, nowMs: () => number, report: Report) {
    this.#redis = redis;
    this.#keys = new WholeKeys(redis, ask, 'index', report);
    this.#filed = new FiledJobs(nowMs, this.#keys.damaged$);
    this.damaged$ = this.#keys.damaged$;
  }

  isFiled(state: JobState): boolean {
    const { isNew, standing } = this.#filed.get(state.promptId) ?? {};
    return isNew === false && standing === standingOf(state) && !isSettled(state) && this.#filed.isFresh(state);
  }

  before(state: JobState, workflowBytes?: number): Observable<never> {
    return defer(() => {
      if (workflowBytes === undefined && this.#filed.isFresh(state)) return EMPTY;
      const bytes = workflowBytes === undefined ? '' : String(workflowBytes);
      const watched$ = isSettled(state) ? of(undefined) : this.#watch(sessionOf(state) ?? '', [state]);
      const added$ = forkJoin(ownersOf(state).map((owner) => this.#put(owner, state, 'add', bytes)));
      return forkJoin([added$, watched$]).pipe(
        tap(([[ofUser, ofAll]]) => this.#filed.set(state, ofUser === ofAll ? ofUser : undefined, true)),
      );
    }).pipe(ignoreElements());
  }

  refile(states: readonly JobState[]): Observable<never> {
    const unsettled = states.filter((state) => !isSettled(state));
    if (unsettled.length === 0) return EMPTY;
    const owners = grouped(unsettled, ownersOf);
    const sessions = grouped(unsettled, (state) => [sessionOf(state) ?? '']);
    return defer(() =>
      forkJoin([
        forkJoin(owners.map(([owner, some]) => this.#renewed(owner, some))),
        forkJoin(sessions.map(([clientId, some]) => this.#watch(clientId, some))),
      ]),
    ).pipe(
      tap(([renewed]) => {
        const standings = agreed(renewed.flat());
        for (const state of unsettled) this.#filed.set(state, standings.get(state.promptId), false);
      }),
      ignoreElements(),
    );
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
    const owners = new Set([owner, ...ownersOf(state)]);
    return forkJoin([...owners].map((each) => this.#put(each, state, 'move', '', GUARD_S))).pipe(ignoreElements());
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

  entries({ owner, standings, most, after, until }: EntriesQuery): Observable<Entries> {
    const wanted = STANDINGS.filter((standing) => standings.includes(standing));
    const place = [most, after?.startedAt ?? '', after?.promptId ?? '', until ?? ''];
    const numbers = wanted.map(numberOf).join('');
    return this.#ofOwner(owner, (keys) => this.#redis.pageOfIndex(...keys, ...place, numbers)).pipe(
      map((page) => entriesOf(page, wanted, most)),
    );
  }

  missing(promptIds: readonly string[]): Observable<readonly string[]> {
    return this.#ofOwner(ALL, (keys) => this.#redis.missingInIndex(...keys, ...promptIds));
  }

  watched(clientId: string): Observable<readonly string[]> {
    return this.#ofSession(clientId, (key) => this.#redis.zrange(key, 0, '-1'));
  }

  dropWatched(clientId: string, promptIds: readonly string[]): Observable<never> {
    const dropped$ = this.#ofSession(clientId, (key) =>
      this.#redis.dropFromWatched(key, LIVES[0], GUARD_S, ...promptIds),
    );
    return dropped$.pipe(ignoreElements());
  }

  /** Files a job as it stands, and ends its session's watch of it where it settled. */
  #moved(state: JobState): Observable<unknown> {
    const { promptId } = state;
    const standing = standingOf(state);
    const isFiled = this.#filed.get(promptId)?.standing === standing;
    const moved = isFiled ? [] : ownersOf(state).map((owner) => this.#put(owner, state, 'move'));
    const over = isSettled(state) ? [this.#unwatch(state)] : [];
    const done = (): void => {
      if (isSettled(state)) this.#filed.delete(promptId);
      else if (!isFiled || this.#filed.get(promptId)?.isNew === true) this.#filed.set(state, standing, false);
    };
    return forkJoin([...moved, ...over]).pipe(tap({ complete: done }));
  }

  #put(owner: string, state: JobState, how: 'add' | 'move', bytes = '', guardS = 0): Observable<JobStanding> {
    const { promptId, startedAt } = state;
    const standing = standingOf(state);
    const args = [promptId, startedAt, numberOf(standing), ...LIVES, how, bytes, guardS];
    return this.#ofOwner(owner, (keys) => this.#redis.putInIndex(...keys, ...args)).pipe(
      map((at) => standingAt(at) ?? standing),
    );
  }

  /** Has these jobs live on as they are filed, or files them: how each is. */
  #renewed(owner: string, states: readonly JobState[]): Observable<readonly Filing[]> {
    const args = states.flatMap((state) => [state.promptId, state.startedAt, numberOf(standingOf(state))]);
    return this.#ofOwner(owner, (keys) => this.#redis.renewInIndex(...keys, ...LIVES, ...args)).pipe(
      map((numbers) => states.map((state, i): Filing => [state.promptId, standingAt(numbers[i]) ?? standingOf(state)])),
    );
  }

  #dropped(owner: string, guardS: number, promptIds: readonly string[]): Observable<unknown> {
    return this.#ofOwner(owner, (keys) => this.#redis.dropFromIndex(...keys, ...LIVES, guardS, ...promptIds));
  }

  #watch(clientId: string, states: readonly JobState[]): Observable<unknown> {
    const promptIds = states.map(({ promptId }) => promptId);
    return this.#ofSession(clientId, (key) => this.#redis.addToWatched(key, LIVES[0], ...promptIds));
  }

  #unwatch(state: JobState): Observable<unknown> {
    return this.#ofSession(sessionOf(state) ?? '', (key) => this.#redis.zrem(key, state.promptId));
  }

  #ofOwner<T>(owner: string, command: (keys: readonly string[]) => Promise<T>): Observable<T> {
    const keys = indexKeys(owner);
    return this.#keys.run(keys, () => command(keys.map(([key]) => key)));
  }

  #ofSession<T>(clientId: string, command: (key: string) => Promise<T>): Observable<T> {
    const key = watchedKey(clientId);
    return this.#keys.run([[key, 'zset']], () => command(key));
  }
}

/** The index of all instances on one Redis. */
export const redisIndex = (redis: IndexCommands, ask: Ask, nowMs: () => number, report: Report): RedisIndex =>
  new ScriptedIndex(redis, ask, nowMs, report);

const ownersOf = ({ userId }: JobState): readonly string[] => [ownerOf(userId), ALL];

/** Standings as the scripts have them, from 1 on. */
const numberOf = (standing: JobStanding): number => STANDINGS.indexOf(standing) + 1;
const standingAt = (at = 0): JobStanding | undefined => STANDINGS[at - 1];
