import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { startRedis, type RedisServer } from './redis-server';
import { freePort } from '../network/ports';
import { PATIENCE_MS } from '../until';

const run = promisify(execFile);

/** So long without an answer makes a node suspect, and a replica the master: longer than a busy machine lets one wait. */
const NODE_TIMEOUT_MS = 2_000;
const MASTERS = 3;

/** Six nodes of one's own on 127.0.0.1: three masters with a replica each. */
export interface RedisCluster {
  /** As `redisStore` takes it. */
  readonly url: string;
  /** Of all nodes, the masters as they are now. */
  masters(): Promise<readonly ClusterNode[]>;
  /** The master that has a key now. */
  masterOf(key: string): Promise<ClusterNode>;
  /** Moves slots, with their keys, from one master to another, as an operator does; one at a time. */
  moveSlots(slots: readonly number[], from: ClusterNode, to: ClusterNode): Promise<void>;
  /** Empties every master. */
  flush(): Promise<void>;
  /** Resolves once all nodes agree that all is well. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterNode {
  readonly id: string;
  readonly server: RedisServer;
  readonly admin: Redis;
  /** Ranges, both ends included. */
  readonly slots: readonly (readonly [first: number, last: number])[];
}

/** Starts the nodes, has them make a cluster, and waits until every replica follows its master. */
export async function startRedisCluster({
  args = [],
}: { readonly args?: readonly string[] } = {}): Promise<RedisCluster> {
  const servers = await Promise.all(Array.from({ length: 2 * MASTERS }, () => startNode(args)));
  const nodes = servers.map((server) => ({ server, admin: adminOf(server) }));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);

  const views = () => viewsOf(nodes);
  const cluster: RedisCluster = {
    url: addresses.map((address) => `redis://${address}`).join(),
    masters: async () => (await views()).filter(({ isMaster, slots }) => isMaster && slots.length > 0),
    masterOf: async (key) => {
      const masters = await cluster.masters();
      const slot = Number(await masters[0]?.admin.cluster('KEYSLOT', key));
      const master = masters.find(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last));
      if (master === undefined) throw new Error(`nobody has slot ${slot}`);
      return master;
    },
    moveSlots: async (slots, from, to) => {
      const masters = await cluster.masters();
      for (const slot of slots) await moveSlot(slot, from, to, masters);
    },
    flush: async () => {
      await Promise.all((await cluster.masters()).map(({ admin }) => admin.flushall()));
    },
    settled: async () => {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const seen = await views();
        const infos = await Promise.all(seen.map(({ admin }) => admin.cluster('INFO').catch(() => '')));
        const isOk = infos.every((info) => info.includes('cluster_state:ok'));
        if (seen.length === nodes.length && isOk && seen.every(({ isWell }) => isWell)) return;
        if (Date.now() > deadline)
          throw new Error(`the cluster does not settle: ${String(await nodes[0]?.admin.cluster('NODES'))}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: async () => {
      nodes.forEach(({ admin }) => admin.disconnect());
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
  await cluster.settled();
  return cluster;
}

interface Node {
  readonly server: RedisServer;
  readonly admin: Redis;
}

/** Each node as it sees itself now; one that does not answer is left out. */
async function viewsOf(
  nodes: readonly Node[],
): Promise<readonly (ClusterNode & { readonly isMaster: boolean; readonly isWell: boolean })[]> {
  const seen = await Promise.all(
    nodes.map(async (node) => {
      const asked = Promise.all([node.admin.cluster('NODES') as Promise<string>, node.admin.info('replication')]);
      const [text = '', info = ''] = await asked.catch(() => []);
      const own = text
        .split('\n')
        .find((line) => line.includes('myself'))
        ?.split(' ');
      if (own === undefined) return [];
      const [id = '', , flags = ''] = own;
      const isMaster = flags.includes('master');
      const isWell = isMaster ? !text.includes('fail') : info.includes('master_link_status:up');
      return [{ ...node, id, isMaster, isWell, slots: own.slice(8).filter(isRange).map(rangeOf) }];
    }),
  );
  return seen.flat();
}

async function startNode(args: readonly string[]): Promise<RedisServer> {
  const bus = await freePort();
  const own = ['--cluster-enabled', 'yes', '--cluster-node-timeout', `${NODE_TIMEOUT_MS}`, '--cluster-port', `${bus}`];
  return startRedis({ args: [...own, '--repl-diskless-sync-delay', '0', ...args] });
}

function adminOf(server: RedisServer): Redis {
  const admin = new Redis(server.url, { retryStrategy: () => 50, commandTimeout: 2000, disconnectTimeout: 100 });
  admin.on('error', () => 'as wanted');
  return admin;
}

/** As the Redis Cluster specification has it: importing, migrating, keys, then all masters are told. */
async function moveSlot(slot: number, from: ClusterNode, to: ClusterNode, all: readonly ClusterNode[]): Promise<void> {
  await to.admin.cluster('SETSLOT', slot, 'IMPORTING', from.id);
  await from.admin.cluster('SETSLOT', slot, 'MIGRATING', to.id);
  for (;;) {
    const keys = await from.admin.cluster('GETKEYSINSLOT', slot, 100);
    if (keys.length === 0) break;
    await from.admin.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5000, 'KEYS', ...keys.map(String));
  }
  const others = all.filter(({ id }) => id !== to.id && id !== from.id);
  for (const { admin } of [to, from, ...others]) await admin.cluster('SETSLOT', slot, 'NODE', to.id);
}

const isRange = (slots: string): boolean => /^\d/.test(slots);

const rangeOf = (slots: string): readonly [number, number] => {
  const [first = 0, last = first] = slots.split('-').map(Number);
  return [first, last];
};
