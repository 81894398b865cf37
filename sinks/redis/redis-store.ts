import * as E from 'fp-ts/Either';
import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  of,
  tap,
  type Observable,
} from 'rxjs';
import { isSettled, type JobState } from '../../streams/job/job-state';
import type { Report } from '../../streams/operators/reporting';
import { decodeJobState } from '../job-state.codec';
import { KEPT_S, packedWorkflow, unpackedWorkflow } from '../stored-workflow.codec';
import {
  assertStorable,
  jobKey,
  LEARNED_S,
  RESERVED_S,
  STATE_TTL_S,
  StoreUnavailable,
  UnreadableState,
  type JobStore,
  type PutOutcome,
} from '../job-store';
import { keyBeside } from './connection/key-slot';
import { redisAudience } from './feed/redis-audience';
import { feedChannel, redisFeed } from './feed/redis-feed';
import { filesKey, redisFiles } from './stored/redis-files';
import { redisHooks } from './redis-webhook-queue';
import { redisIndex } from './listing/redis-index';
import { redisListing } from './listing/redis-listing';
import { redisLeases } from './leases/redis-leases';
import { redisListener } from './connection/listener';
import { redisNodes } from './connection/topology';
import { redisPreflight } from './redis-preflight';

const LEASE_TTL_MS = 10_000;

/** The workflow of a job that may be run again, in the slot of its state. */
const workflowKey = (promptId: string): string => keyBeside(jobKey(promptId), 'workflow');

/** Written, read and removed in one script, to see that this can be done. */
const PROBE_KEY = 'jobstream:probe';

/** A hash: what was learnt of nodes' durations, by key. */
const LEARNED_KEY = 'jobstream:learned';

/** What a caller's name for a submission stands for. */
const reservedKey = (name: string): string => `jobstream:reserved:${name}`;

/** Beside a job's key and in its slot: "epoch:seq" of the newest state, kept even if the state itself is written over. */
export const fenceKey = (promptId: string): string => keyBeside(jobKey(promptId), 'fence');

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`; of a cluster several with commas, or one with `?cluster=1`. */
  readonly url: string;
  readonly report: Report;
  /** How many ms a session stays an instance's after it last said so; 10,000 where absent. */
  readonly leaseTtlMs?: number;
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
  const feed = redisFeed(listener, (key) => ask(() => redis.get(key)), report);
  const index = redisIndex(redis, ask, () => Date.now());
  const files = redisFiles(redis, ask);
  const audience = redisAudience(redis, ask, fenceKey);

  /** State, fence, workflow and feed in one script; the index has the job before, and files it anew after. */
  function put(state: JobState, kept: string | undefined): Observable<PutOutcome> {
    const { promptId, epoch, seq } = state;
    const keys = [
      jobKey(promptId),
      fenceKey(promptId),
      feedChannel(promptId),
      workflowKey(promptId),
      filesKey(promptId),
    ];
    const args = [JSON.stringify(state), epoch, seq, STATE_TTL_S, isSettled(state) ? 1 : 0, kept ?? '', KEPT_S];
    const put$ = ask(() => redis.putJobState(...keys, ...args)).pipe(
      map(([outcome, listeners]) => {
        if (listeners >= 0) audience.counted(promptId, isSettled(state) ? 0 : listeners);
        return outcome;
      }),
      tap((outcome) => outcome === 'overwrote' && report('redis put', overwritten(jobKey(promptId)))),
      concatMap((outcome) =>
        outcome === 'stale'
          ? of<PutOutcome>('stale')
          : concat(index.after(state, outcome === 'created'), of<PutOutcome>('stored')),
      ),
    );
    return concat(index.before(state, kept === undefined ? undefined : Buffer.byteLength(kept)), put$);
  }

  const get = (promptId: string): Observable<JobState | undefined> => {
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
  };

  const store: JobStore = {
    leases: redisLeases({ redis, ask, listener, ttlMs: leaseTtlMs, report }),
    hooks: redisHooks(redis, ask),
    ...redisListing(nodes, index, report),
    ...files,

    put: (state, workflow) =>
      defer(() => {
        assertStorable(state.promptId);
        if (workflow === undefined || isSettled(state)) return put(state, undefined);
        return packedWorkflow(workflow).pipe(concatMap((kept) => put(state, kept)));
      }),

    get,

    workflow: (promptId) =>
      ask(() => redis.get(workflowKey(promptId))).pipe(
        concatMap((text) => (text === null ? of(undefined) : unpackedWorkflow(text))),
      ),

    reserve: (name, text) =>
      ask(() => redis.set(reservedKey(name), text, 'EX', RESERVED_S, 'NX', 'GET')).pipe(map((held) => held ?? text)),

    amend: (name, text) => ask(() => redis.set(reservedKey(name), text, 'KEEPTTL', 'XX')).pipe(ignoreElements()),

    learned: () => ask(() => redis.hgetall(LEARNED_KEY)).pipe(map((texts) => Object.entries(texts))),

    learn: (entries) => {
      const kept = entries.flatMap(([key, text]) => (text === undefined ? [] : [key, text]));
      const forgotten = entries.flatMap(([key, text]) => (text === undefined ? [key] : []));
      return concat(
        kept.length === 0 ? EMPTY : ask(() => redis.hset(LEARNED_KEY, ...kept)),
        forgotten.length === 0 ? EMPTY : ask(() => redis.hdel(LEARNED_KEY, ...forgotten)),
        ask(() => redis.expire(LEARNED_KEY, LEARNED_S)),
      ).pipe(ignoreElements());
    },

    remove: (promptId) =>
      get(promptId).pipe(
        catchError((error: unknown) => {
          if (error instanceof UnreadableState) return of(undefined);
          throw error;
        }),
        concatMap((state) => {
          const keys = [jobKey(promptId), fenceKey(promptId), workflowKey(promptId), filesKey(promptId)];
          const removed$ = ask(() => redis.del(...keys)).pipe(map((removed) => removed > 0));
          return concat(state === undefined ? EMPTY : index.forget(state), removed$);
        }),
      ),

    changes: (promptId) => feed.changes(promptId),
    previews: (promptId) => feed.previews(promptId),
    announce: audience.announce,
    show: audience.show,

    preflight: () => redisPreflight(nodes),

    healthy: () =>
      ask(() => Promise.all([...nodes.masters().map((node) => node.ping()), redis.probe(PROBE_KEY, 'word')])).pipe(
        map((answers) => answers.at(-1) === 'word'),
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
