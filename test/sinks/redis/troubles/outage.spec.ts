import { from, lastValueFrom, mergeMap } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import { until } from '../../../support/until';
import { get, healthy, list, openedStores, put } from '../../../support/redis/opened-stores';

const { shared, open, errors, reports } = openedStores();

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
    await until(() => healthy(store));
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
    await until(async () => (await put(store, { seq: 4 }).catch(() => 'late')) === 'stored');
  });

  it('that freezes Redis does not keep the store from closing', async () => {
    const store = open(shared.server.url, 1_000);
    await until(() => healthy(store));
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
