import { Redis } from 'ioredis';
import { lastValueFrom } from 'rxjs';
import { fenceKey } from '../../../../sinks/redis/stored/redis-states';
import { startRedis } from '../../../support/redis/redis-server';
import { aFullState } from '../../a-state';
import { PATIENCE_MS, until } from '../../../support/until';
import { KEY, openedStores, put, TTL_MS } from '../../../support/redis/opened-stores';

const { open, shared, watchersOf } = openedStores();

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
        expect(left).toBeGreaterThan(TTL_MS - PATIENCE_MS);
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
    expect(await shared.admin.pttl(key)).toBeGreaterThan(dayMs - PATIENCE_MS);
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
