import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { jobKey, StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { keyBeside, keySlot } from '../../../sinks/redis/connection/key-slot';
import { feedChannel } from '../../../sinks/redis/feed/redis-feed';
import { askChannel } from '../../../sinks/redis/leases/redis-leases';
import { SESSIONS_KEY } from '../../../sinks/redis/leases/session-registry';
import { redisStore } from '../../../sinks/redis/redis-store';
import { writeBehind } from '../../../sinks/writing/queued-writes';
import type { JobState } from '../../../streams/job/job-state';
import { startRedisCluster, type ClusterNode, type RedisCluster } from '../../support/redis/redis-cluster';
import { aState } from '../a-state';
import { jobStoreContract } from '../contracts/job-store/contract';
import { leasesContract } from '../contracts/leases/contract';
import { eventually, PATIENCE_MS, until } from '../../support/until';

let cluster: RedisCluster;
let reports: unknown[];
let stores: JobStore[];

beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

beforeEach(async () => {
  await cluster.flush();
  reports = [];
  stores = [];
});
afterEach(() => Promise.all(stores.map((store) => lastValueFrom(store.close(), { defaultValue: undefined }))));

function open(url = cluster.url): JobStore {
  const store = redisStore({ url, report: (_where, error) => reports.push(error), commandTimeoutMs: PATIENCE_MS });
  stores.push(store);
  return store;
}

const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
const listed = async (store: JobStore) =>
  (await lastValueFrom(store.live().pipe(toArray()))).map(({ promptId }) => promptId).sort();
const listenersTo = async (channel: string) => {
  const { admin } = await cluster.masterOf(channel);
  const [, count] = (await admin.call('PUBSUB', 'SHARDNUMSUB', channel)) as [string, number];
  return count;
};
const heardOn = (channel: string) => until(async () => (await listenersTo(channel)) === 1);
const ids = (count: number) => Array.from({ length: count }, (_, i) => `job-${i}`).sort();

jobStoreContract('the Redis store on a cluster', () =>
  Promise.resolve({
    store: open(),
    reports,
    listening: (promptId) => heardOn(feedChannel(promptId)),
    overwriteKept: async (promptId, text) => {
      const key = keyBeside(jobKey(promptId), 'workflow');
      await (await cluster.masterOf(key)).admin.set(key, text);
    },
    dispose: () => Promise.resolve(),
  }),
);

leasesContract('the leases of the Redis store on a cluster', () =>
  Promise.resolve({
    leases: open().leases,
    reports,
    listening: (clientId) => heardOn(askChannel(clientId)),
    abandon: async ({ clientId, serverUrl }) => {
      const { admin } = await cluster.masterOf(SESSIONS_KEY);
      await admin.hset(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl }));
    },
    dispose: () => Promise.resolve(),
  }),
);

it.each(['a', '{x}y', 'comfyui:job:é🎨', '{}a', 'a{b', 'a{b}{c}', '}{a}', 'a{}{b}', '{{b}}'])(
  'knows the slot of %j as Redis does',
  async (key) => {
    const [master] = await cluster.masters();
    expect(keySlot(key)).toBe(await master!.admin.cluster('KEYSLOT', key));
  },
);

it.each(['a', 'a}b{c', '{', '}', 'a{b}c', '{}'])('finds a key in the slot of %j', (key) => {
  expect(keySlot(keyBeside(key, 'fence'))).toBe(keySlot(key));
  expect(keyBeside(key, 'fence')).not.toBe(keyBeside(key, 'feed'));
});

it('is found from one node alone', async () => {
  const [first = ''] = cluster.url.split(',');
  const store = open(`${first}?cluster=1`);
  for (const promptId of ids(20)) expect(await put(store, { promptId })).toBe('stored');
  expect(await listed(store)).toEqual(ids(20));
});

it('says what is wrong where a cluster is taken for one node', async () => {
  const master = await cluster.masterOf('x');
  const store = open(master.server.url);
  const foreign = ids(50).find((promptId) => !has(master, feedChannel(promptId)))!;
  await expect(put(store, { promptId: foreign })).rejects.toThrow(/Redis: MOVED/);
});

describe('while slots move under load', () => {
  it('no write, no listed job and no last word is lost', async () => {
    const store = open();
    const [from$, to] = (await cluster.masters()) as [ClusterNode, ClusterNode];
    const promptIds = ids(100);
    // Each has a job that is written, listed and watched while it moves.
    const watchedIds = promptIds.filter((promptId) => has(from$, feedChannel(promptId))).slice(0, 12);
    const moving = [...new Set(watchedIds.map((promptId) => keySlot(feedChannel(promptId))))];
    const seen = new Map<string, number>();
    const watching = watchedIds.map((promptId) =>
      store.changes(promptId).subscribe(({ seq }) => seen.set(promptId, seq)),
    );
    const putAll = (seq: number) =>
      lastValueFrom(
        from(promptIds).pipe(
          mergeMap((promptId) => store.put(aState({ promptId, seq })), 32),
          toArray(),
        ),
      );
    await putAll(1);

    const progress = { isOver: false };
    const moved = cluster.moveSlots(moving, from$, to).finally(() => (progress.isOver = true));
    let seq = 1;
    const lists: number[] = [];
    while (!progress.isOver) {
      expect(new Set(await putAll(++seq))).toEqual(new Set(['stored']));
      lists.push((await listed(store)).length);
    }
    await moved;
    await putAll(++seq);

    expect(new Set(lists)).toEqual(new Set([100]));
    await until(() => watchedIds.every((promptId) => seen.get(promptId) === seq));
    expect(watchedIds).toHaveLength(12);
    expect(await listed(store)).toEqual(promptIds);
    expect(reports).toEqual([]);
    watching.forEach((each) => each.unsubscribe());
    await cluster.moveSlots(moving, to, from$);
  });
});

describe('while the slot of the webhooks moves', () => {
  it('none is lost where the list of what is due is moved before them', async () => {
    const store = open();
    const due = 'jobstream:{hooks}:due';
    const claimed = async () => (await lastValueFrom(store.hooks.claim(50, 60_000))).map(({ promptId }) => promptId);
    for (const promptId of ids(5))
      await lastValueFrom(store.hooks.add({ promptId, text: promptId }, 0), { defaultValue: undefined });
    const from$ = await cluster.masterOf(due);
    const to = (await cluster.masters()).find(({ id }) => id !== from$.id)!;
    const slot = keySlot(due);
    await to.admin.cluster('SETSLOT', slot, 'IMPORTING', from$.id);
    await from$.admin.cluster('SETSLOT', slot, 'MIGRATING', to.id);
    await from$.admin.call('MIGRATE', '127.0.0.1', to.server.port, due, 0, PATIENCE_MS);

    await expect(claimed()).rejects.toThrow(StoreUnavailable);

    await cluster.moveSlots([slot], from$, to);
    expect((await claimed()).sort()).toEqual(ids(5));
    await cluster.moveSlots([slot], to, from$);
  });
});

describe('[R12] while a master is killed', () => {
  it('no settled state is lost, and who watches goes on', async () => {
    const store = open();
    const writer = writeBehind(store, {
      perSecond: 1000,
      confirmMs: 3000,
      report: (_where, error) => reports.push(error),
    });
    const promptIds = ids(80);
    const victim = await cluster.masterOf(feedChannel(promptIds[0]!));
    const watchedIds = promptIds.filter((promptId) => has(victim, feedChannel(promptId))).slice(0, 20);
    const seen = new Map<string, JobState>();
    const watching = watchedIds.map((promptId) =>
      store.changes(promptId).subscribe((state) => seen.set(promptId, state)),
    );
    await until(async () => (await listenersTo(feedChannel(watchedIds[0]!))) === 1);

    let seq = 0;
    const writing = setInterval(() => {
      seq++;
      promptIds.forEach((promptId, i) => {
        const isLast = seq >= 5 + (i % 60);
        if (seq <= 5 + (i % 60)) writer.put(aState({ promptId, seq, status: isLast ? 'completed' : 'processing' }));
      });
    }, 50);
    let signs = 0;
    const signing = store.mayHaveLost$.subscribe(() => (signs += 1));
    await until(() => seq > 30);
    expect(signs).toBe(0);
    await victim.server.kill();
    await until(() => signs > 0);
    signing.unsubscribe();
    await until(() => seq > 70);
    clearInterval(writing);
    // What the old master took along is written once more.
    await eventually(async () => {
      const { jobs: states } = await lastValueFrom(store.page({ limit: 10_000 }));
      expect(states.filter(({ status }) => status !== 'completed')).toEqual([]);
      expect(states).toHaveLength(80);
    });
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    await until(() => watchedIds.every((promptId) => seen.get(promptId)?.status === 'completed'));
    watching.forEach((each) => each.unsubscribe());
    writer.close();
  });
});

const has = ({ slots }: ClusterNode, key: string): boolean =>
  slots.some(([first, last]) => first <= keySlot(key) && keySlot(key) <= last);
