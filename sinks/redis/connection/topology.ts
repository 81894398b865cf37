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
  /** Every master, for what has to be asked of each. Throws where one is not known now. */
  readonly masters: () => readonly Redis[];
  /** Which slots each master has, to be compared with what it was before. */
  readonly layout: () => Promise<Layout>;
  /** The values of keys that are strings, `null` for each other. Keys of a cluster may be anywhere. */
  readonly values: (keys: readonly string[]) => Promise<readonly (string | null)[]>;
  /** The URL of the master that has a key or sharded channel, if that is known now. */
  readonly homeOf: (key: string) => string | undefined;
  /** Emits whenever homes may have changed. */
  readonly moved$: Observable<unknown>;
  /** Emits whenever a connection to a node was made anew, of a cluster's when it has ended: one that died, or was replaced, may have lost what it had acknowledged. */
  readonly back$: Observable<unknown>;
  /** Drops the connections and fails what is under way; they come back by themselves. */
  readonly startOver: () => void;
  /** Asks where keys live now; `moved$` tells. */
  readonly lookAround: () => void;
}

/** Connects at once, for commands that fail rather than wait: for their answers, so many ms at most. Throws `InvalidRedisUrl`. */
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
    // A master whose connection ended is taken out of the pool; a replica that takes its place is there already.
    back$: fromEvent(cluster, '-node'),
    startOver: () => cluster.disconnect(true),
    lookAround: () => cluster.refreshSlotsCache(),
  };
}

/**
 * The master of each slot. Only right after ioredis 6.0.0 has looked: all slots of a range share an array there, so that
 * the next MOVED of one slot turns all of them.
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

/** From CLUSTER NODES, of each node the line about itself: id, address, flags, master, ping, pong, epoch, link, slots. */
function layoutOf(views: readonly unknown[]): Layout {
  const own = views.map((view) => /^.*myself.*$/m.exec(String(view))?.[0] ?? '');
  const slots = own.map((line) => line.replace(/ \d+ \d+ (?=\d+ connected)/, ' ')); // without ping and pong
  return { slots: slots.sort().join(), isMoving: own.some((line) => line.includes('[')) };
}

/** What MGET says of a key that is no string. */
function nullIfWrongType(error: unknown): null {
  if ((error as Error).message.startsWith('WRONGTYPE')) return null;
  throw error;
}
