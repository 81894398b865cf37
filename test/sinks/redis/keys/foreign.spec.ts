import { lastValueFrom, toArray } from 'rxjs';
import { UnreadableState } from '../../../../sinks/job-store';
import { feedChannel } from '../../../../sinks/redis/feed/redis-feed';
import { keyBeside } from '../../../../sinks/redis/connection/key-slot';
import { fenceKey } from '../../../../sinks/redis/stored/redis-states';
import type { JobState } from '../../../../streams/job/job-state';
import { aState } from '../../a-state';
import { until } from '../../../support/until';
import { done, get, KEY, list, openedStores, put } from '../../../support/redis/opened-stores';

const { shared, open, errors, reports, watchersOf } = openedStores();

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

  it('[R1] an end is one, though its fence is an older version’s', async () => {
    const store = open();
    await put(store, { epoch: 5, seq: 5, status: 'failed', phase: 'settled' });
    expect(await shared.admin.get(fenceKey('job-1'))).toBe('5:5:settled');
    await shared.admin.set(fenceKey('job-1'), '5:5');
    expect(await put(store, { epoch: 6, seq: 1 })).toBe('stale');
  });

  it.each(['garbage', '5', '5:5:', '5:5:x', '5:', ':5', '5:x'])('a fence of %j is none', async (fence) => {
    await shared.admin.set(fenceKey('job-1'), fence);
    expect(await put(open())).toBe('stored');
  });

  it('a fence of another type is none', async () => {
    await shared.admin.hset(fenceKey('job-1'), 'a', 'b');
    expect(await put(open())).toBe('stored');
  });

  it.each([
    ...['queued', 'processing', 'completed', 'failed', 'cancelled', 'until'].flatMap((name) =>
      ['ada', '@'].map((owner) => `jobstream:jobs:{${owner}}:${name}`),
    ),
    'jobstream:jobs:{ada}:bytes',
    'jobstream:watched:{client-1}',
  ])('[R15] an index is written over and reported: %s', async (key) => {
    const store = open();
    const own = { userId: 'ada', clientId: 'client-1', status: 'processing' } as const;
    await put(store, own);
    await list(store);
    await shared.admin.set(key, 'no index');

    const workflow = { tag: 'whole', prompt: { workflow: '{}' } } as const;
    await lastValueFrom(store.put(aState({ ...own, promptId: 'job-2' }), workflow));

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
