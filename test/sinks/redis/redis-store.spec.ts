import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { from, lastValueFrom, mergeMap, NEVER, noop, toArray, type Observable } from 'rxjs';
import { StoreUnavailable, UnreadableState, UnsuitableStore, type JobStore } from '../../../sinks/job-store';
import { feedChannel, redisFeed } from '../../../sinks/redis/feed/redis-feed';
import { keyBeside } from '../../../sinks/redis/connection/key-slot';
import { redisListener } from '../../../sinks/redis/connection/listener';
import { redisStore } from '../../../sinks/redis/redis-store';
import { fenceKey } from '../../../sinks/redis/stored/redis-states';
import { InvalidRedisUrl } from '../../../sinks/redis/connection/url';
import type { JobState } from '../../../streams/job/job-state';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { sharedRedis } from '../../support/redis/shared-redis';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { aFullState, aState } from '../a-state';
import { PATIENCE_MS, until } from '../../support/until';

const KEY = 'comfyui:job:job-1';
const TTL_MS = 7_200_000;

const shared = sharedRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
let reports: { readonly where: string; readonly error: unknown }[];
let stores: JobStore[];

beforeEach(() => {
  reports = [];
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await lastValueFrom(store.close(), { defaultValue: undefined });
});

const report = (where: string, error: unknown) => void reports.push({ where, error });
const open = (url = shared.server.url, commandTimeoutMs = PATIENCE_MS): JobStore => {
  const store = redisStore({ url, report, commandTimeoutMs });
  stores.push(store);
  return store;
};
const put = (store: JobStore, own: Partial<JobState> = {}) => lastValueFrom(store.put(aState(own)));
const get = (store: JobStore, promptId = 'job-1') => lastValueFrom(store.get(promptId));
const list = (store: JobStore) => lastValueFrom(store.live().pipe(toArray()));
const done = (work$: Observable<never>) => lastValueFrom(work$, { defaultValue: undefined });
const healthy = (store: JobStore) => lastValueFrom(store.healthy());
const errors = () => reports.map(({ error }) => String(error));
const watchersOf = async (promptId: string) => {
  const [, count] = (await shared.admin.call('PUBSUB', 'SHARDNUMSUB', feedChannel(promptId))) as [string, number];
  return count;
};

describe('what other programs find', () => {
  it('is a JSON string under comfyui:job:<promptId>', async () => {
    const state = aFullState();
    await lastValueFrom(open().put(state));
    expect(JSON.parse((await shared.admin.get(KEY)) ?? '')).toEqual(state);
  });

  it('under comfyui:job:* is states only', async () => {
    const store = open();
    const watching = store.changes('a').subscribe();
    for (const promptId of ['a', 'b', 'c']) await put(store, { promptId });
    await until(async () => (await watchersOf('a')) === 1);
    expect((await shared.admin.keys('comfyui:job:*')).sort()).toEqual([
      'comfyui:job:a',
      'comfyui:job:b',
      'comfyui:job:c',
    ]);
    const others = (await shared.admin.keys('*')).filter((key) => !key.startsWith('comfyui:job:'));
    expect(others).toEqual(expect.arrayContaining(['a', 'b', 'c'].map(fenceKey)));
    expect(others.filter((key) => !/^(jobstream:|\{comfyui:job:[abc]\}:)/.test(key))).toEqual([]);
    watching.unsubscribe();
  });

  it('shares a slot with its fence and channel, as a cluster demands', async () => {
    const cluster = await startRedis({ args: ['--cluster-enabled', 'yes'] });
    const node = new Redis(cluster.url);
    await node.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    await until(async () => (await node.cluster('INFO')).includes('cluster_state:ok'));
    expect(await put(open(cluster.url))).toBe('stored');
    await node.quit();
    await cluster.stop();
  });

  it('is gone 7200 s after the last write, and its fence with it', async () => {
    const store = open();
    for (const write of [{ seq: 1 }, { seq: 2 }, { seq: 2 }]) {
      await put(store, write);
      for (const key of [KEY, fenceKey('job-1')]) {
        const left = await shared.admin.pttl(key);
        expect(left).toBeGreaterThan(TTL_MS - 5000);
        expect(left).toBeLessThanOrEqual(TTL_MS);
        await shared.admin.pexpire(key, 60_000);
      }
    }
  });

  it('reserves a name for a day from its first use, in no key of states', async () => {
    const store = open();
    const [key, dayMs] = ['jobstream:reserved:name', 86_400_000];
    await lastValueFrom(store.reserve('name', 'first'));
    expect(await shared.admin.keys('*')).toEqual([key]);
    expect(await shared.admin.pttl(key)).toBeGreaterThan(dayMs - 5000);
    await shared.admin.pexpire(key, 60_000);
    await lastValueFrom(store.reserve('name', 'second'));
    await lastValueFrom(store.amend('name', 'third'), { defaultValue: undefined });
    expect(await shared.admin.get(key)).toBe('third');
    expect(await shared.admin.pttl(key)).toBeLessThanOrEqual(60_000);
  });

  it('keeps its time to live where a write was refused', async () => {
    const store = open();
    await put(store, { seq: 2 });
    await shared.admin.pexpire(KEY, 60_000);
    expect(await put(store, { seq: 1 })).toBe('stale');
    expect(await shared.admin.pttl(KEY)).toBeLessThanOrEqual(60_000);
  });
});

describe('what other programs put under our keys', () => {
  const foreign: readonly [string, () => Promise<unknown>][] = [
    ['a hash', () => shared.admin.hset(KEY, 'status', 'queued')],
    ['a list', () => shared.admin.rpush(KEY, 'x')],
    ['no JSON', () => shared.admin.set(KEY, 'hello secret')],
    ['bytes', () => shared.admin.set(KEY, Buffer.from([0xff, 0xfe, 0x00]))],
    ['other JSON', () => shared.admin.set(KEY, '{"promptId":"job-1","status":"secret"}')],
    ['a bare number', () => shared.admin.set(KEY, '17')],
    ['null', () => shared.admin.set(KEY, 'null')],
  ];

  describe.each(foreign)('%s', (_name, plant) => {
    it('is an UnreadableState to get', async () => {
      await plant();
      await expect(get(open())).rejects.toThrow(UnreadableState);
      await expect(get(open())).rejects.not.toThrow(/secret/);
    });

    it('is reported and passed over by list', async () => {
      const store = open();
      await put(store, { promptId: 'job-2' });
      await plant();
      expect((await list(store)).map(({ promptId }) => promptId)).toEqual(['job-2']);
      expect(errors()).toEqual([expect.stringMatching(`^UnreadableState: ${KEY} holds no job state: (?!.*secret)`)]);
    });

    it('is written over by put, and reported', async () => {
      await plant();
      const store = open();
      expect(await put(store)).toBe('stored');
      expect(await get(store)).toEqual(aState());
      expect(errors()).toEqual([`UnreadableState: ${KEY} holds no job state: it was written over`]);
    });
  });

  it('[R11] a state without its fence still refuses an older one', async () => {
    const store = open();
    await shared.admin.set(KEY, JSON.stringify(aState({ epoch: 5, seq: 5 })));
    expect(await put(store, { epoch: 5, seq: 4 })).toBe('stale');
    expect(await put(store, { epoch: 5, seq: 6 })).toBe('stored');
    expect(reports).toEqual([]);
  });

  it('[R11] a fence without its state still refuses an older one, and lets the same be stored again', async () => {
    const store = open();
    await put(store, { seq: 5 });
    await shared.admin.del(KEY);
    expect(await put(store, { seq: 4 })).toBe('stale');
    expect(await put(store, { seq: 5 })).toBe('stored');
    expect(await get(store)).toMatchObject({ seq: 5 });
  });

  it.each(['garbage', '5', '5:', ':5', '5:x'])('a fence of %j is none', async (fence) => {
    await shared.admin.set(fenceKey('job-1'), fence);
    expect(await put(open())).toBe('stored');
  });

  it('a fence of another type is none', async () => {
    await shared.admin.hset(fenceKey('job-1'), 'a', 'b');
    expect(await put(open())).toBe('stored');
  });

  it.each([
    ...['queued', 'processing', 'completed', 'failed', 'cancelled', 'until', 'bytes'].flatMap((name) =>
      ['ada', '@'].map((owner) => `jobstream:jobs:{${owner}}:${name}`),
    ),
    'jobstream:watched:{client-1}',
  ])('[R15] an index is written over and reported: %s', async (key) => {
    const store = open();
    const own = { userId: 'ada', clientId: 'client-1', status: 'processing' } as const;
    await put(store, own);
    await list(store);
    await shared.admin.set(key, 'no index');

    await put(store, { ...own, promptId: 'job-2' });

    const ids = (jobs: readonly JobState[]) => jobs.map(({ promptId }) => promptId).sort();
    const page = (userId?: string) =>
      lastValueFrom(store.page({ limit: 10, ...(userId !== undefined && { userId }) })).then(({ jobs }) => ids(jobs));
    const watched = async () => ids(await lastValueFrom(store.liveOf('client-1').pipe(toArray())));
    await list(store);
    expect(ids(await list(store))).toEqual(['job-1', 'job-2']);
    expect([await page(), await page('ada'), await watched()]).toEqual(Array(3).fill(['job-1', 'job-2']));
    expect(await lastValueFrom(store.usage('ada'))).toMatchObject({ jobs: 2 });
    expect(errors()).toEqual([`ForeignKey: ${key} was no index and is removed`]);
  });

  it('[R15] a workflow of another type is none, and reported once', async () => {
    const store = open();
    await put(store, { status: 'processing' });
    const key = keyBeside(KEY, 'workflow');
    await shared.admin.sadd(key, 'secret');
    for (let n = 0; n < 2; n++) expect(await lastValueFrom(store.workflow('job-1'))).toBeUndefined();
    expect(errors()).toEqual([`UnreadableState: ${key} holds no job state: it is not a string`]);
  });

  it('[R15] a reserved name of another type stands for nothing of ours, and is no outage', async () => {
    const store = open();
    await shared.admin.lpush('jobstream:reserved:key', 'garbage');
    for (const _ of [1, 2]) expect(await lastValueFrom(store.reserve('key', 'text'))).toBe('');
    expect(errors()).toEqual(['UnreadableState: jobstream:reserved:key holds no job state: it is not a string']);
    expect(await shared.admin.type('jobstream:reserved:key')).toBe('list');
  });

  it('[R15] what was learnt is removed and reported, and learnt anew', async () => {
    const store = open();
    await shared.admin.set('jobstream:learned', 'garbage');
    expect(await lastValueFrom(store.learned())).toEqual([]);
    await lastValueFrom(store.learn([['node', '1']]), { defaultValue: undefined });
    expect(await lastValueFrom(store.learned())).toEqual([['node', '1']]);
    expect(errors()).toEqual(['ForeignKey: jobstream:learned was no index and is removed']);
  });

  it('[R15] one webhook is removed and reported, and all others are claimed', async () => {
    const store = open();
    const hook = (promptId: string) => ({ promptId, text: promptId });
    for (const id of ['a', 'b', 'c']) await done(store.hooks.add(hook(id), 0));
    await shared.admin.set('jobstream:{hooks}:of:b', 'secret');
    const claimed = await lastValueFrom(store.hooks.claim(10, 60_000));
    expect(claimed.map(({ promptId }) => promptId).sort()).toEqual(['a', 'c']);
    expect(errors()).toEqual(['ForeignKey: jobstream:{hooks}:of:b was no webhook and is removed']);
    expect(await shared.admin.zrange('jobstream:{hooks}:due', 0, '-1')).toEqual(expect.not.arrayContaining(['b']));
    await shared.admin.set('jobstream:{hooks}:of:a', 'secret');
    await done(store.hooks.later(hook('a'), 0));
    await shared.admin.set('jobstream:{hooks}:of:d', 'secret');
    await done(store.hooks.add(hook('d'), 0));
    expect(await lastValueFrom(store.hooks.claim(10, 60_000))).toEqual([hook('d')]);
  });

  it('the list of webhooks that are due is removed and reported, and those that come are claimed', async () => {
    const store = open();
    await shared.admin.set('jobstream:{hooks}:due', 'secret');
    expect(await lastValueFrom(store.hooks.claim(10, 60_000))).toEqual([]);
    await done(store.hooks.add({ promptId: 'a', text: 'text' }, 0));
    expect(await lastValueFrom(store.hooks.claim(10, 60_000))).toEqual([{ promptId: 'a', text: 'text' }]);
    expect(errors()).toEqual(['ForeignKey: jobstream:{hooks}:due was no webhook and is removed']);
  });

  it('[R15] files are removed and reported, and a picture is kept in their place', async () => {
    const store = open();
    await put(store);
    const key = keyBeside(KEY, 'files');
    await shared.admin.set(key, 'secret');
    const file = { mimeType: 'image/png', bytes: Buffer.of(1) };
    await done(store.keepFile('job-1', 'a.png', file));
    expect(await lastValueFrom(store.file('job-1', 'a.png'))).toEqual(file);
    await shared.admin.set(key, 'secret');
    expect(await lastValueFrom(store.file('job-1', 'a.png'))).toBeUndefined();
    expect(errors()).toEqual(Array(2).fill(`ForeignKey: ${key} was no file and is removed`));
  });

  it('what is published of a job and is no state is reported and passed over', async () => {
    const store = open();
    const seen: number[] = [];
    const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    await shared.admin.spublish(feedChannel('job-1'), 'hello');
    await put(store, { seq: 9 });
    await until(() => seen.length > 0);
    expect(seen).toEqual([9]);
    expect(errors()).toEqual([`UnreadableState: ${KEY} holds no job state: it is not JSON`]);
    watching.unsubscribe();
  });
});

describe('changes', () => {
  it('hear what any instance stores', async () => {
    const [here, there] = [open(), open()];
    const seen: number[] = [];
    const watching = here.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    await put(there, { seq: 7 });
    await until(() => seen.length === 1);
    expect(seen).toEqual([7]);
    watching.unsubscribe();
  });

  it('subscribe once for all who watch a job, and no longer than they do', async () => {
    const store = open();
    const [first, second] = [store.changes('job-1').subscribe(), store.changes('job-1').subscribe()];
    await until(async () => (await watchersOf('job-1')) === 1);
    first.unsubscribe();
    const seen: number[] = [];
    second.add(store.changes('job-1').subscribe(({ seq }) => seen.push(seq)));
    await put(store, { seq: 3 });
    await until(() => seen.length === 1);
    second.unsubscribe();
    await until(async () => (await watchersOf('job-1')) === 0);
  });

  it('[R12] go on after Redis was killed, with what was stored meanwhile', async () => {
    const proxy = await tcpProxy(shared.server.url.replace('redis:', 'http:'));
    const store = open(proxy.url.replace('http:', 'redis:'));
    const seen: number[] = [];
    const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    await put(store, { seq: 1 });
    await until(() => seen.length === 1);
    proxy.refuse();
    await shared.server.kill();
    await shared.server.start();
    await until(async () => (await shared.admin.set(KEY, JSON.stringify(aState({ seq: 2 }))).catch(() => '')) === 'OK');
    // The store is back only now.
    proxy.accept();
    await until(() => seen.includes(2));
    await until(() => healthy(store));
    await put(store, { seq: 3 });
    await until(() => seen.includes(3));
    expect(seen).toEqual([1, 2, 3]);
    watching.unsubscribe();
    await proxy.close();
  });

  it('are published once, also where a write is repeated or refused', async () => {
    const listener = new Redis(shared.server.url);
    const heard: string[] = [];
    listener.on('smessage', (_channel: string, message: string) => heard.push(message));
    await listener.ssubscribe(feedChannel('job-1'));
    const store = open();
    for (const seq of [2, 2, 1, 3]) await put(store, { seq });
    await until(() => heard.length >= 2);
    expect(heard).toEqual([2, 3].map((seq) => JSON.stringify(aState({ seq }))));
    await listener.quit();
  });

  it('find a half-open link out, and hear what was stored meanwhile', async () => {
    const proxy = await tcpProxy(shared.server.url.replace('redis:', 'http:'));
    const store = open();
    const nodes = { homeOf: () => proxy.url.replace('http:', 'redis:'), moved$: NEVER, lookAround: noop };
    const listener = redisListener(nodes, report, 50);
    const feed = redisFeed(listener, (key) => from(shared.admin.get(key)), report);
    const seen: number[] = [];
    const watching = feed.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    await until(async () => (await watchersOf('job-1')) === 1);
    proxy.pause();
    await put(store, { seq: 1 });
    await until(() => errors().some((error) => error.includes('Socket timeout')));
    proxy.reset();
    proxy.resume();
    await until(() => seen.length === 1);
    expect(seen).toEqual([1]);
    watching.unsubscribe();
    await lastValueFrom(listener.close(), { defaultValue: undefined });
    await proxy.close();
  });
});

describe('[R12] an outage', () => {
  it('at the start is no error of the store, which recovers when Redis is there', async () => {
    await shared.server.kill();
    const store = open();
    const seen: number[] = [];
    const watching = store.changes('job-1').subscribe(({ seq }) => seen.push(seq));
    for (const use of [put(store), get(store), list(store), lastValueFrom(store.remove('x'))]) {
      await expect(use).rejects.toThrow(StoreUnavailable);
    }
    expect(await healthy(store)).toBe(false);
    await shared.server.start();
    await until(() => healthy(store));
    expect(await put(store)).toBe('stored');
    await until(() => seen.length > 0);
    watching.unsubscribe();
  });

  it('is told with its cause, once for each connection', async () => {
    await shared.server.kill();
    const store = open();
    const failure = await put(store).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect((failure as StoreUnavailable).cause).toBeInstanceOf(Error);
    for (let i = 0; i < 5; i++) await healthy(store);
    await until(() => errors().some((error) => error.includes('ECONNREFUSED')));
    await shared.server.start();
    await until(() => healthy(store));
    expect(reports.filter(({ where }) => where === 'redis')).toHaveLength(1);
  });

  it('in the midst of writes loses none that was acknowledged', async () => {
    const store = open();
    const acknowledged: string[] = [];
    const write = async (promptId: string) => {
      await until(async () => (await put(store, { promptId }).catch(() => 'down')) === 'stored');
      acknowledged.push(promptId);
    };
    const ids = Array.from({ length: 2000 }, (_, i) => `job-${i}`);
    const writing = lastValueFrom(from(ids).pipe(mergeMap(write, 4)));
    await until(() => acknowledged.length > 100);
    await shared.server.kill();
    const inTime = acknowledged.length;
    await shared.server.start();
    await writing;
    expect(inTime).toBeLessThan(2000);
    expect((await list(store)).map(({ promptId }) => promptId).sort()).toEqual(ids.sort());
  });

  it('that freezes Redis fails commands in time, blocks nobody, and ends', async () => {
    const store = open(shared.server.url, 1_000);
    await put(store, { seq: 1 });
    shared.server.pause();
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    const used = await Promise.allSettled([
      put(store, { seq: 2 }),
      get(store),
      list(store),
      lastValueFrom(store.remove('x')),
    ]);
    const again = await Promise.allSettled([put(open(shared.server.url, 1_000), { seq: 3 })]);
    clearInterval(ticking);
    shared.server.resume();
    expect([...used, ...again].map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    expect(ticks).toBeGreaterThan(5);
    await until(() => healthy(store));
    expect(await put(store, { seq: 4 })).toBe('stored');
  });

  it('that freezes Redis does not keep the store from closing', async () => {
    const store = open(shared.server.url, 1_000);
    await put(store);
    shared.server.pause();
    await lastValueFrom(store.close(), { defaultValue: undefined });
    shared.server.resume();
  });

  it('of the script cache only is not noticed', async () => {
    const store = open();
    await put(store, { seq: 1 });
    await put(store, { seq: 2 });
    await shared.admin.script('FLUSH');
    expect(await put(store, { seq: 3 })).toBe('stored');
  });
});

describe('the password', () => {
  const SECRET = 's3cr@t:/#%?';
  let locked: RedisServer;
  const urlWith = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${locked.port}`;
  const shown = (...things: readonly unknown[]) => inspect(things, { depth: 20, showHidden: true });

  beforeAll(async () => {
    locked = await startRedis({ args: ['--requirepass', SECRET] });
  });
  afterAll(() => locked.stop());

  it('opens the store', async () => {
    const store = open(urlWith(SECRET));
    expect(await put(store)).toBe('stored');
  });

  it('is asked for at once: a Redis that lets nobody in is unsuitable, and not away', async () => {
    const preflight = (url: string) => lastValueFrom(open(url).preflight());
    const wrong = preflight(urlWith('another'));
    await expect(wrong).rejects.toThrow(UnsuitableStore);
    await expect(wrong).rejects.toThrow('Redis refuses the user or the password in its URL (WRONGPASS)');
    await expect(preflight(locked.url)).rejects.toThrow('Redis wants a password, and its URL has none (NOAUTH)');
  });

  it('is in no error and no report where it is wrong', async () => {
    const wrong = `not-${SECRET}`;
    const store = open(urlWith(wrong));
    const watching = store.changes('job-1').subscribe();
    await until(() => reports.some(({ where }) => where === 'redis listener'));
    const failure = await put(store).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect(errors().join()).toContain('WRONGPASS');
    for (const text of [wrong, encodeURIComponent(wrong)]) expect(shown(failure, reports)).not.toContain(text);
    watching.unsubscribe();
  });

  it('is in no error where the command that carries it is quoted by the server', async () => {
    const ancient = await startRedis({
      args: ['--requirepass', SECRET, '--rename-command', 'HELLO', '', '--rename-command', 'AUTH', ''],
    });
    const store = open(urlWith(SECRET).replace(`${locked.port}`, `${ancient.port}`));
    await until(() => reports.length > 0);
    const failure = await put(store).catch((error: unknown) => error);
    expect(shown(failure, reports)).not.toContain(SECRET);
    expect(errors().join()).toContain('***');
    await ancient.stop();
  });

  it.each([
    'redis://:hush/x@host',
    'redis://:hush#x@host',
    'redis://u:hush@ho st',
    'http://u:hush@host',
    'host:6379',
    '',
  ])('is in no error where %j is no URL of a Redis', (url) => {
    const failure = thrownBy(() => open(url));
    expect(failure).toBeInstanceOf(InvalidRedisUrl);
    expect(shown(failure)).not.toContain('hush');
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
