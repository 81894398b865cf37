import { lastValueFrom } from 'rxjs';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import { redisStore } from '../../../sinks/redis/redis-store';
import { writeBehind } from '../../../sinks/writing/queued-writes';
import { StaleState, type WriteBehind } from '../../../sinks/writing/write-behind';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { aState } from '../a-state';
import { PATIENCE_MS, until } from '../../support/until';
import { play } from './slow-store';

describe('[R12] while the store is down', () => {
  test('the newest state waits, is tried ever more slowly, and is written when the store is back', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      for (let seq = 1; seq <= 50; seq++) at(seq * 100, () => writer.put(aState({ seq })));
      at(4000, () => expect(writer.pending()).toBe(1));
      at(5500, () => (store.isUp = true));
      return () => {
        const gaps = store.writes.slice(1).map(({ at: now }, i) => now - (store.writes[i]?.at ?? 0));
        expect(gaps).toEqual([102, 202, 402, 802, 1002, 1002, 1002, 1002]);
        expect(store.held.get('job-1')).toMatchObject({ seq: 50 });
        expect(writer.pending()).toBe(0);
      };
    }));

  test('the outage is reported once, and the next one again', () =>
    play(({ store, writer, reports, at }) => {
      for (let i = 0; i < 100; i++) at(i, () => writer.put(aState({ promptId: `job-${i}` })));
      store.isUp = false;
      at(5000, () => (store.isUp = true));
      at(10_000, () => expect(reports).toHaveLength(1));
      at(10_000, () => (store.isUp = false));
      at(10_001, () => writer.put(aState({ seq: 2 })));
      at(11_000, () => (store.isUp = true));
      return () => expect(reports).toEqual([new StoreUnavailable('down'), new StoreUnavailable('down')]);
    }));

  test('1e5 updates of 100 jobs are 100 states that wait', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      const most: number[] = [];
      for (let ms = 0; ms < 1000; ms++) {
        at(ms, () => {
          for (let job = 0; job < 100; job++) writer.put(aState({ promptId: `job-${job}`, seq: ms + 1 }));
          most.push(writer.pending());
        });
      }
      at(1000, () => (store.isUp = true));
      return () => {
        expect(Math.max(...most)).toBe(100);
        expect([...store.held.values()].map(({ seq }) => seq)).toEqual(Array(100).fill(1000));
        expect(writer.pending()).toBe(0);
      };
    }));

  test('when it is back, all is written within a second', () =>
    play(({ store, writer, at }) => {
      store.isUp = false;
      for (let job = 0; job < 1000; job++) at(job, () => writer.put(aState({ promptId: `job-${job}` })));
      at(20_000, () => (store.isUp = true));
      at(21_100, () => expect(writer.pending()).toBe(0));
      return () => {
        expect(store.held.size).toBe(1000);
        expect(store.mostInFlight).toBeLessThanOrEqual(64);
      };
    }));
});

describe('[R12] with a Redis that is killed while a thousand jobs go on', () => {
  let server: RedisServer;
  let store: JobStore;
  let writer: WriteBehind;
  const reports: unknown[] = [];
  const report = (_where: string, error: unknown) => void reports.push(error);

  beforeAll(async () => {
    server = await startRedis();
    store = redisStore({ url: server.url, report, commandTimeoutMs: PATIENCE_MS });
    writer = writeBehind(store, { report });
  });
  afterAll(async () => {
    writer.close();
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await server.stop();
  });

  test('the newest state of each is read meanwhile, and stored when Redis is back', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `job-${i}`);
    const putAll = (seq: number) => ids.forEach((promptId) => writer.put(aState({ promptId, seq })));

    putAll(1);
    await until(() => writer.pending() < 500);
    await server.kill();
    for (let seq = 2; seq <= 20; seq++) putAll(seq);
    expect(writer.pending()).toBe(1000);
    expect(await lastValueFrom(writer.get('job-7'))).toMatchObject({ seq: 20 });

    await server.start();
    await lastValueFrom(writer.drain(PATIENCE_MS), { defaultValue: undefined });
    for (const promptId of ids) expect(await lastValueFrom(store.get(promptId))).toMatchObject({ seq: 20 });
    expect(reports.filter((error) => error instanceof StaleState)).toEqual([]);
    expect(reports.filter((error) => error instanceof StoreUnavailable)).toHaveLength(1);
  });
});
