import type { Redis } from 'ioredis';
import { concat, defer, EMPTY, forkJoin, ignoreElements, map, merge, of, tap, type Observable } from 'rxjs';
import { isSettled, sessionOf, standingOf, type JobStanding, type JobState } from '../../../streams/job/job-state';
import type { Report } from '../../../streams/operators/reporting';
import { STANDINGS } from '../../listing/job-page';
import { STATE_TTL_S } from '../../job-store';
import type { Ask } from '../connection/commands';
import { WholeKeys, type TypedKey } from '../connection/whole-keys';
import type { JobScripts, UsageAnswer } from '../scripts/jobs';
import { FiledJobs, RENEW_S } from './filed-jobs';
import { agreed, grouped, type Filing } from './refiled';
import { entriesOf, type Entries, type EntriesQuery } from './index-page';

const SLACK_S = 60;
/** The time to live of an entry, unsettled and settled, s: longer than that of its state. */
const LIVES = [STATE_TTL_S + RENEW_S + SLACK_S, STATE_TTL_S + SLACK_S] as const;

/** An entry younger than this is never stale, s: its state may not be stored yet. */
const GUARD_S = 60;

/** The owner of the sets of all jobs. No user has this name: theirs are percent-encoded. */
const ALL = '@';

/** The owner in the names of the sets: a user, or all users. */
export const ownerOf = (userId: string | undefined): string => (userId === undefined ? ALL : encoded(userId));

/** An owner's seven keys, in one slot. The last, the bytes of each job's workflow, is kept of users only. */
const indexKeys = (owner: string): readonly TypedKey[] =>
  [...STANDINGS, 'until', 'bytes'].map((name) => [
    `jobstream:jobs:{${owner}}:${name}`,
    name === 'bytes' ? 'hash' : 'zset',
  ]);

/** The key of the unsettled jobs that a session watches. */
export const watchedKey = (clientId: string): string => `jobstream:watched:{${encoded(clientId)}}`;

/** Without braces and colons. `Buffer` replaces lone surrogates, at which `encodeURIComponent` throws. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/**
 * The jobs of each user and of all users, by standing, the newest first; and the unsettled jobs that each session
 * watches. A job is added before its state is first stored, and moved to its new standing after a state was: so every
 * stored job is found, but an entry may be stale. The instance that finds a stale one heals it.
 */
export interface RedisIndex {
  /** Whether the index has this unsettled job under its standing: then `before` and `after` have nothing to do. */
  isFiled(state: JobState): boolean;
  /** Call before a state is stored: adds the job, or renews its entries. Sends no command if they are fresh. */
  before(state: JobState, workflowBytes?: number): Observable<never>;
  /**
   * Files stored jobs that are unsettled, with one command per owner and one per session. Where they are filed by their
   * standing, `before` and `after` have nothing to do for them.
   */
  refile(states: readonly JobState[]): Observable<never>;
  /**
   * Call after a state was stored: moves the job to its standing. `isNew`: Redis had no state of the job, and so
   * perhaps no entries either.
   */
  after(state: JobState, isNew?: boolean): Observable<never>;
  /**
   * Moves a job that was found under another standing, or adds one that is in no set: in the sets of `owner`, where it
   * was found, and in its others, since a write that lost one move has mostly lost both. Leaves an entry alone that is
   * younger than `GUARD_S`.
   */
  heal(owner: string, state: JobState): Observable<never>;
  /** Drops entries of an owner that have no state, unless they are younger than `GUARD_S`. */
  drop(owner: string, promptIds: readonly string[]): Observable<never>;
  /** Drops a job's entries, however young. */
  forget(state: JobState): Observable<never>;
  entries(query: EntriesQuery): Observable<Entries>;
  /** See `JobStore.usage`. */
  usage(owner: string, besides: readonly string[]): Observable<UsageAnswer>;
  missing(promptIds: readonly string[]): Observable<readonly string[]>;
  /** The ids of the jobs that a session watches. */
  watched(clientId: string): Observable<readonly string[]>;
  dropWatched(clientId: string, promptIds: readonly string[]): Observable<never>;
  /** Emits after a part of the index was lost because another program had written over it: jobs are missing. */
  readonly damaged$: Observable<unknown>;
}

type IndexCommands = JobScripts & Pick<Redis, 'zrange' | 'zrem'>;

class ScriptedIndex implements RedisIndex {
  readonly damaged$: Observable<unknown>;
  readonly #redis: IndexCommands;
  readonly #keys: WholeKeys;
  readonly #filed: FiledJobs;

  constructor(redis: IndexCommands, ask: Ask, lost$: Observable<unknown>, report: Report) {
    this.#redis = redis;
    this.#keys = new WholeKeys(redis, ask, 'index', report);
    // Of a cluster, another node may have lost entries than has the states.
    this.#filed = new FiledJobs(() => Date.now(), merge(this.#keys.damaged$, lost$));
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

  usage(owner: string, besides: readonly string[]): Observable<UsageAnswer> {
    return this.#ofOwner(owner, (keys) => this.#redis.usageInIndex(...keys, ...besides));
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

  /** Moves a job to its standing; a settled one leaves the set of its session. */
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
    const args = [promptId, startedAt, numberOf(standing), ...LIVES, how, owner === ALL ? '' : bytes, guardS];
    return this.#ofOwner(owner, (keys) => this.#redis.putInIndex(...keys, ...args)).pipe(
      map((at) => standingAt(at) ?? standing),
    );
  }

  /** Renews the entries of these jobs where they are, or adds them. Emits how each is filed. */
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

/** The index of all instances on one Redis; where `lost$` emits, jobs are filed anew with their next state. */
export const redisIndex = (...given: ConstructorParameters<typeof ScriptedIndex>): RedisIndex =>
  new ScriptedIndex(...given);

const ownersOf = ({ userId }: JobState): readonly string[] => [ownerOf(userId), ALL];

/** Standings as the scripts count them, from 1 on. */
const numberOf = (standing: JobStanding): number => STANDINGS.indexOf(standing) + 1;
const standingAt = (at = 0): JobStanding | undefined => STANDINGS[at - 1];
