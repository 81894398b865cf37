import * as E from 'fp-ts/Either';
import {
  catchError,
  concatMap,
  count,
  endWith,
  distinct,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  of,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import { isSettled, sessionOf, type JobState } from '../../streams/job/job-state';
import type { Report } from '../../streams/operators/reporting';
import { pageOf } from '../job-page';
import { decodeJobState } from '../job-state.codec';
import { decodeStoredWorkflow, KEPT_S } from '../stored-workflow.codec';
import {
  JOB_KEY_PREFIX,
  jobKey,
  RESERVED_S,
  STATE_TTL_S,
  StoreUnavailable,
  UnreadableState,
  type JobStore,
  type PutOutcome,
} from '../job-store';
import { keyBeside } from './connection/key-slot';
import { feedChannel, redisFeed } from './redis-feed';
import { redisHooks } from './redis-webhook-queue';
import { redisKeys } from './connection/scan';
import { redisLeases } from './redis-leases';
import { redisListener } from './connection/listener';
import { redisNodes } from './connection/topology';
import { redisPreflight } from './redis-preflight';

const LEASE_TTL_MS = 10_000;

/** The workflow of a job that may be run again, in the slot of its state. */
const workflowKey = (promptId: string): string => keyBeside(jobKey(promptId), 'workflow');

/** What a caller's name for a submission stands for. */
const reservedKey = (name: string): string => `jobstream:reserved:${name}`;

/** Beside a job's key and in its slot: "epoch:seq" of the newest state, kept even if the state itself is written over. */
export const fenceKey = (promptId: string): string => keyBeside(jobKey(promptId), 'fence');

export interface RedisStoreOptions {
  readonly url: string;
  readonly report: Report;
  /** How long a session stays an instance's after it last said so. */
  readonly leaseTtlMs?: number;
}

interface Value {
  readonly key: string;
  readonly json: string | null;
}

/**
 * States in Redis 7 or newer, shared by all instances: `comfyui:job:<promptId>` is a JSON string that lives for 7200 s
 * after its last write. Connects at once and comes back by itself; what is asked meanwhile errors with
 * `StoreUnavailable`. Throws `InvalidRedisUrl`.
 */
export function redisStore({ url, report, leaseTtlMs = LEASE_TTL_MS }: RedisStoreOptions): JobStore {
  const nodes = redisNodes(url, report);
  const { redis, ask } = nodes;
  const listener = redisListener(nodes, report);
  const feed = redisFeed(listener, (key) => values([key]).pipe(map(([value]) => value?.json ?? null)), report);

  function values(keys: readonly string[]): Observable<readonly Value[]> {
    if (keys.length === 0) return of([]);
    return ask(() => nodes.values(keys)).pipe(map((jsons) => keys.map((key, i) => ({ key, json: jsons[i] ?? null }))));
  }

  function readable({ key, json }: Value): Observable<JobState> {
    if (json === null) return reportUnlessGone(key);
    const state = decodeJobState(key, json);
    if (E.isRight(state)) return of(state.right);
    report('redis list', state.left);
    return EMPTY;
  }

  /** To MGET, a key of another type is as good as gone. */
  function reportUnlessGone(key: string): Observable<never> {
    return ask(() => redis.type(key)).pipe(
      tap((type) => type !== 'none' && type !== 'string' && report('redis list', notAString(key))),
      ignoreElements(),
    );
  }

  const all = (): Observable<JobState> =>
    redisKeys(nodes, `${JOB_KEY_PREFIX}*`).pipe(
      concatMap(values),
      concatMap((found) => found),
      distinct(({ key }) => key),
      concatMap(readable),
    );

  const store: JobStore = {
    leases: redisLeases({ redis, ask, listener, ttlMs: leaseTtlMs, report }),
    hooks: redisHooks(redis, ask),

    put: (state, workflow) =>
      (workflow === undefined || isSettled(state)
        ? EMPTY
        : ask(() => redis.set(workflowKey(state.promptId), JSON.stringify(workflow), 'EX', KEPT_S)).pipe(
            ignoreElements(),
          )
      ).pipe(
        endWith(undefined),
        concatMap(() => {
          const { promptId, epoch, seq } = state;
          const keys = [jobKey(promptId), fenceKey(promptId), feedChannel(promptId)];
          const json = JSON.stringify(state);
          return ask(() => redis.putJobState(...keys, json, epoch, seq, STATE_TTL_S));
        }),
        tap((outcome) => outcome === 'overwrote' && report('redis put', overwritten(jobKey(state.promptId)))),
        map((outcome) => (outcome === 'stale' ? 'stale' : 'stored')),
        concatMap((outcome: PutOutcome) =>
          outcome === 'stored' && isSettled(state)
            ? ask(() => redis.del(workflowKey(state.promptId))).pipe(map(() => outcome))
            : of(outcome),
        ),
      ),

    get: (promptId) => {
      const key = jobKey(promptId);
      return ask(() => redis.get(key)).pipe(
        catchError((error: unknown) => {
          throw isWrongType(error) ? notAString(key) : error;
        }),
        map((json) => {
          const state = json === null ? undefined : decodeJobState(key, json);
          if (state !== undefined && E.isLeft(state)) throw state.left;
          return state?.right;
        }),
      );
    },

    workflow: (promptId) =>
      ask(() => redis.get(workflowKey(promptId))).pipe(
        map((json) => (json === null ? undefined : decodeStoredWorkflow(json))),
      ),

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
      ask(() => redis.set(reservedKey(name), text, 'EX', RESERVED_S, 'NX', 'GET')).pipe(map((held) => held ?? text)),

    amend: (name, text) => ask(() => redis.set(reservedKey(name), text, 'KEEPTTL', 'XX')).pipe(ignoreElements()),

    remove: (promptId) =>
      ask(() => redis.del(jobKey(promptId), fenceKey(promptId), workflowKey(promptId))).pipe(
        map((removed) => removed > 0),
      ),

    changes: (promptId) => feed.changes(promptId),

    preflight: () => redisPreflight(nodes),

    healthy: () =>
      ask(() => Promise.all(nodes.masters().map((node) => node.ping()))).pipe(
        map(() => true),
        catchError(() => of(false)),
      ),

    close: () => merge(nodes.close(), listener.close()),
  };
  return store;
}

const isWrongType = (error: unknown): boolean =>
  error instanceof StoreUnavailable && error.message.includes('WRONGTYPE');

const notAString = (key: string): UnreadableState => new UnreadableState(key, 'it is not a string');

const overwritten = (key: string): UnreadableState => new UnreadableState(key, 'it was written over');
