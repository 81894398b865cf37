import { Redis } from 'ioredis';
import { until } from '../../../support/until';
import { adminOf, endTroubles, failureOf, healthyStore, open, put, start } from '../../../support/redis/troubled-redis';

afterEach(endTroubles);

/** 3,000 keys of 20 ms each: a minute, unless it is told to hurry. */
const SLOW = ['--appendonly', 'yes', '--key-load-delay', '20000', '--loading-process-events-interval-bytes', '1024'];

test('[R12] a Redis that loads its data is an outage that says so, and is looked at again soon', async () => {
  const server = await start(...SLOW);
  const admin = adminOf(server);
  const filling = admin.pipeline();
  for (let n = 0; n < 3_000; n++) filling.set(`foreign:${n}`, 'x'.repeat(50));
  await filling.exec();
  // Loaded by the key, and answering in between, only from the file that a rewrite makes.
  await admin.bgrewriteaof();
  await until(async () => (await admin.info('persistence')).includes('aof_rewrite_in_progress:0'));
  const store = open(server.url);
  expect(await put(store)).toBe('stored');

  admin.disconnect();
  await server.kill();
  const loaded = server.start();
  await until(async () => (await failureOf(put(store, { seq: 2 }))).includes('loading its data'));
  const looker = new Redis(server.url, { enableReadyCheck: false });
  let own = 0;
  const looks = async (): Promise<number> => {
    const stats = await looker.info('commandstats');
    return Number(/cmdstat_info:calls=(\d+)/.exec(stats)?.[1]) - own++;
  };
  await until(async () => (await looks()) >= 8);
  expect(await looker.get('foreign:1').catch(String)).toContain('LOADING');

  await looker.config('SET', 'key-load-delay', '0');
  await loaded;
  looker.disconnect();
  await healthyStore(store);
  expect(await put(store, { seq: 2 })).toBe('stored');
});
