import { catchError, map, merge, of, Subject } from 'rxjs';
import type { Report } from '../../streams/operators/reporting';
import { MOST_TIMER_MS } from '../../streams/options';
import { harmless } from '../harmless';
import type { JobStore } from '../job-store';
import { redisListener } from './connection/listener';
import { redisNodes } from './connection/topology';
import { WholeKeys } from './connection/whole-keys';
import { remoteListeners } from './feed/remote-listeners';
import { redisFeed } from './feed/redis-feed';
import { redisLeases } from './leases/redis-leases';
import { redisIndex } from './listing/redis-index';
import { redisListing } from './listing/redis-listing';
import { redisPreflight } from './redis-preflight';
import { redisHooks } from './redis-webhook-queue';
import { fileLink } from './stored/file-link';
import { redisFiles } from './stored/redis-files';
import { redisLearned } from './stored/redis-learned';
import { redisReservations } from './stored/redis-reservations';
import { fenceKey, RedisStates } from './stored/redis-states';

const LEASE_TTL_MS = 10_000;
const COMMAND_TIMEOUT_MS = 1_000;

/** Written, read and removed in one script, to see that this can be done. */
const PROBE_KEY = 'jobstream:probe';

/** Which Redis, and how it is used. */
export interface RedisStoreOptions {
  /** `redis://` or `rediss://`; of a cluster several with commas, or one with `?cluster=1`. */
  readonly url: string;
  readonly report: Report;
  /** How many ms a session stays an instance's after it last said so; 10,000 where absent. */
  readonly leaseTtlMs?: number;
  /** How many ms a command waits for its answer before the store counts as away; 1,000 where absent. */
  readonly commandTimeoutMs?: number;
}

/**
 * States in Redis 7 or newer, shared by all instances: `comfyui:job:<promptId>` is a JSON string that lives for 7200 s
 * after its last write. Connects at once and comes back by itself; what is asked meanwhile errors with
 * `StoreUnavailable`. Throws `InvalidRedisUrl`, and a `TypeError` for a time that is none.
 */
export function redisStore({
  url,
  report: given,
  leaseTtlMs = LEASE_TTL_MS,
  commandTimeoutMs = COMMAND_TIMEOUT_MS,
}: RedisStoreOptions): JobStore {
  for (const [name, ms] of Object.entries<unknown>({ leaseTtlMs, commandTimeoutMs }))
    if (!(typeof ms === 'number' && ms > 0 && ms <= MOST_TIMER_MS))
      throw new TypeError(`${name} must be a number of ms, more than 0 and 24 days at most`);
  const report = harmless('report', given);
  const nodes = redisNodes(url, commandTimeoutMs, report);
  const { redis, ask } = nodes;
  const listener = redisListener(nodes, report);
  // What ails this connection ails the other, which tells of it.
  const files = fileLink(() => redisNodes(url, undefined, () => undefined), commandTimeoutMs);
  const feed = redisFeed(listener, (key) => ask(() => redis.get(key)), report);
  const index = redisIndex(redis, ask, () => Date.now(), report);
  const listeners = remoteListeners(redis, ask, fenceKey);
  const states = new RedisStates({ redis, values: nodes.values, ask, index, listeners, report });
  const leaseGone$ = new Subject<void>();
  const mayHaveLost$ = merge(nodes.back$, leaseGone$);

  return {
    leases: redisLeases({ redis, ask, listener, ttlMs: leaseTtlMs, report, onGone: () => leaseGone$.next() }),
    hooks: redisHooks(redis, ask, mayHaveLost$, report),
    mayHaveLost$,
    ...redisListing(nodes, index, report),
    ...redisFiles(files, new WholeKeys(redis, ask, 'file', report)),
    ...redisReservations(redis, ask, report),
    ...redisLearned(redis, ask, new WholeKeys(redis, ask, 'index', report)),

    put: (state, workflow) => states.put(state, workflow),
    get: (promptId) => states.get(promptId),
    workflow: (promptId) => states.workflow(promptId),
    workflows: (promptIds) => states.workflows(promptIds),
    refile: (some) => index.refile(some),
    remove: (promptId) => states.remove(promptId),

    changes: (promptId) => feed.changes(promptId),
    previews: (promptId) => feed.previews(promptId),
    announce: listeners.announce,
    show: listeners.show,

    preflight: () => redisPreflight(nodes),

    healthy: () =>
      ask(() => Promise.all([...nodes.masters().map((node) => node.ping()), redis.probe(PROBE_KEY, 'word')])).pipe(
        map((answers) => answers.at(-1) === 'word'),
        catchError(() => of(false)),
      ),

    close: () => merge(nodes.close(), files.close(), listener.close()),
  };
}
