import type { Cluster, Redis } from 'ioredis';
import { fromEvent, NEVER, switchMap, take, type Observable } from 'rxjs';
import type { Report } from '../../../streams/operators/reporting';
import { HOOK_SCRIPTS, type HookScripts } from '../scripts/webhook-queue';
import { keySlot, SLOTS } from './key-slot';
import { LEASE_SCRIPTS, type LeaseScripts } from '../scripts/leases';
import { JOB_SCRIPTS, type JobScripts } from '../scripts/jobs';
import { asking, type Asking } from './commands';
import { connect, connectCluster, impatient, unhurried } from './connection';
import { redisUrl, urlOfNode } from './url';

const SCRIPTS = { ...JOB_SCRIPTS, ...LEASE_SCRIPTS, ...HOOK_SCRIPTS };

/** The commands we use. A cluster sends each to the node of its keys. */
export type RedisCommands = Pick<
  Redis,
  | 'get'
  | 'set'
  | 'del'
  | 'expire'
  | 'type'
  | 'hgetall'
  | 'hset'
  | 'hdel'
  | 'hmgetBuffer'
  | 'hstrlen'
  | 'mget'
  | 'spublish'
  | 'zrange'
  | 'zrem'
> &
  JobScripts &
  LeaseScripts &
  HookScripts;

export interface Layout {
  readonly slots: string;
  /** Keys are moving now. */
  readonly isMoving: boolean;
}

/** One Redis, or a cluster of them. */
export interface RedisNodes extends Asking {
  readonly isCluster: boolean;
  readonly redis: RedisCommands;
  /** Every master, for commands that go to each. Throws if one is not known now. */
  readonly masters: () => readonly Redis[];
  /** Which slots each master has, as a text to compare with that of another time. */
  readonly layout: () => Promise<Layout>;
  /**
   * The values of the keys, in their order; `null` for one that is missing or no string. The keys may be in any slots.
   */
  readonly values: (keys: readonly string[]) => Promise<readonly (string | null)[]>;
  /** The URL of the master that has a key or sharded channel, if that is known now. */
  readonly homeOf: (key: string) => string | undefined;
  /** Emits when `homeOf` may have changed. */
  readonly moved$: Observable<unknown>;
  /**
   * Emits when a connection to a node was made anew; of a cluster, when one has ended. A node that died or was replaced
   * may have lost acknowledged writes.
   */
  readonly back$: Observable<unknown>;
  /** Closes the connections, which fails the commands under way, and opens them again. */
  readonly startOver: () => void;
  /** Asks the cluster for its slots; then `moved$` emits. */
  readonly lookAround: () => void;
}

/**
 * Connects at once. Commands fail while disconnected, and after `commandTimeoutMs` without an answer; `undefined` is no
 * limit. Throws `InvalidRedisUrl`.
 */
export function redisNodes(url: string, commandTimeoutMs: number | undefined, report: Report): RedisNodes {
  const patience = commandTimeoutMs === undefined ? unhurried() : impatient(commandTimeoutMs);
  const settings = { ...patience, scripts: SCRIPTS };
  const address = redisUrl(url);
  if (!address.isCluster) {
    const connection = connect(url, settings, 'redis', report);
    const { redis } = connection;
    return {
      isCluster: false,
      ...asking(connection),
      redis: redis as Redis & RedisCommands,
      masters: () => [redis],
      layout: () => Promise.resolve({ slots: '', isMoving: false }),
      values: (keys) => redis.mget([...keys]),
      homeOf: () => url,
      moved$: NEVER,
      back$: fromEvent(redis, 'close').pipe(switchMap(() => fromEvent(redis, 'ready').pipe(take(1)))),
      startOver: () => redis.disconnect(true),
      lookAround: () => undefined,
    };
  }

  const connection = connectCluster(address, settings, 'redis', report);
  const cluster = connection.redis;
  let homes: readonly string[] = [];
  cluster.on('refresh', () => (homes = homesIn(cluster)));
  const masters = (): readonly Redis[] => mastersOf(cluster, homes);
  return {
    isCluster: true,
    ...asking(connection),
    redis: cluster as Cluster & RedisCommands,
    masters,
    layout: async () => layoutOf(await Promise.all(masters().map((node) => node.cluster('NODES')))),
    values: (keys) => Promise.all(keys.map((key) => cluster.get(key).catch(nullIfWrongType))),
    homeOf: (key) => {
      const home = homes[keySlot(key)] ?? '';
      return home === '' ? undefined : urlOfNode(address, home);
    },
    moved$: fromEvent(cluster, 'refresh'),
    // ioredis removes a master whose connection ended. The replica that takes its place is known already, so nothing is
    // added.
    back$: fromEvent(cluster, '-node'),
    startOver: () => cluster.disconnect(true),
    lookAround: () => cluster.refreshSlotsCache(),
  };
}

/**
 * The master of each slot. Right only just after a refresh: in ioredis 6.0.0 all slots of a range share one array, so
 * that a MOVED for one slot changes them all.
 */
function homesIn({ slots }: Cluster): readonly string[] {
  return Array.from({ length: SLOTS }, (_, slot) => slots[slot]?.[0] ?? '');
}

function mastersOf(cluster: Cluster, homes: readonly string[]): readonly Redis[] {
  const known = new Map(cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]));
  return [...new Set(homes.length === 0 ? [''] : homes)].map((home) => {
    const node = known.get(home);
    if (node !== undefined) return node;
    cluster.refreshSlotsCache();
    throw new Error(`some keys are on a node that is not there (${home === '' ? 'none' : home})`);
  });
}

/**
 * Reads CLUSTER NODES: of each node's answer the line about itself: id, address, flags, master, ping, pong, epoch,
 * link, slots.
 */
function layoutOf(views: readonly unknown[]): Layout {
  const own = views.map((view) => /^.*myself.*$/m.exec(String(view))?.[0] ?? '');
  const slots = own.map((line) => line.replace(/ \d+ \d+ (?=\d+ connected)/, ' ')); // without ping and pong
  return { slots: slots.sort().join(), isMoving: own.some((line) => line.includes('[')) };
}

/** Answers `null` for a key of another type, as MGET does. */
function nullIfWrongType(error: unknown): null {
  if ((error as Error).message.startsWith('WRONGTYPE')) return null;
  throw error;
}
