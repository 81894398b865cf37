import { catchError, map, merge, of, Subject } from 'rxjs';
import type { Report } from '../../streams/operators/reporting';
import { checkOptions, MOST_TIMER_MS } from '../../streams/options';
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

/** The key that the health check writes, reads and removes in one script. */
const PROBE_KEY = 'jobstream:probe';

/** Which Redis, and how it is used. */
export interface RedisStoreOptions {
  /** `redis://` or `rediss://`; for a cluster several with commas between, or one with `?cluster=1`. */
  readonly url: string;
  readonly report: Report;
  /** How long a session stays an instance's after it last renewed the lease, ms; 10,000 by default. */
  readonly leaseTtlMs?: number;
  /** How long a command waits for its answer before the store counts as unavailable, ms; 1,000 by default. */
  readonly commandTimeoutMs?: number;
}

const KNOWN: Readonly<Record<keyof RedisStoreOptions, true>> = {
  url: true,
  report: true,
  leaseTtlMs: true,
  commandTimeoutMs: true,
};

/**
 * States in Redis 7 or newer, shared by all instances: `comfyui:job:<promptId>` is a JSON string that lives for 7200 s
 * after its last write. Connects at once and reconnects by itself; calls meanwhile error with `StoreUnavailable`.
 * Throws `InvalidRedisUrl`, or a `TypeError` that names an option that is unknown or cannot be taken: times are ms above
 * 0, 24 days at most.
 */
export function redisStore(options: RedisStoreOptions): JobStore {
  checkOptions('redisStore', options, KNOWN);
  const { url, leaseTtlMs = LEASE_TTL_MS, commandTimeoutMs = COMMAND_TIMEOUT_MS } = options;
  for (const [name, ms] of Object.entries<unknown>({ leaseTtlMs, commandTimeoutMs }))
    if (!(typeof ms === 'number' && ms > 0 && ms <= MOST_TIMER_MS))
      throw new TypeError(`${name} must be a number of ms, more than 0 and 24 days at most`);
  const report = harmless('report', options.report);
  const nodes = redisNodes(url, commandTimeoutMs, report);
  const { redis, ask } = nodes;
  const listener = redisListener(nodes, report);
  // Trouble of this connection is not reported: the one for commands has the same, and reports it.
  const files = fileLink(() => redisNodes(url, undefined, () => undefined), commandTimeoutMs);
  const feed = redisFeed(listener, (key) => ask(() => redis.get(key)), report);
  const leaseGone$ = new Subject<void>();
  const mayHaveLost$ = merge(nodes.back$, leaseGone$);
  const index = redisIndex(redis, ask, mayHaveLost$, report);
  const listeners = remoteListeners(redis, ask, fenceKey);
  const states = new RedisStates({ redis, values: nodes.values, ask, index, listeners, report });

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
    isHeard: listeners.isHeard,
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
