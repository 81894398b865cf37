import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { until } from '../../support/until';
import { endOfService, startService } from '../../support/programs/service';

const COMFYUI_URL = 'http://127.0.0.1:1';
let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory-policy', 'volatile-lru', '--appendonly', 'no', '--save', ''] });
});
afterAll(() => redis.stop());

test('a store that may lose states is warned of, each danger by its setting', async () => {
  const service = await startService({ COMFYUI_URL, REDIS_URL: redis.url });
  expect(service.output()).toContain('set maxmemory-policy noeviction');
  expect(service.output()).toContain('set appendonly yes');
  expect((await service.terminate()).code).toBe(0);
});

test.each([
  ['may lose states is warned of', ['--maxmemory-policy', 'volatile-lru'], 'set maxmemory-policy noeviction'],
  [
    'can never work is told of',
    ['--user', ...'default on nopass ~* &* +@all -hlen'.split(' ')],
    'may not do what is needed',
  ],
])('a store that is away at the start and %s once it is there', async (_what, args, told) => {
  const other = await startRedis({ args });
  await other.kill();
  const service = await startService({ COMFYUI_URL, REDIS_URL: other.url });
  expect(service.output()).toContain('the store could not be inspected');
  expect(service.output()).not.toContain(told);
  await other.start();
  await until(() => service.output().includes(told));
  expect((await service.terminate()).code).toBe(0);
  await other.stop();
});

test('with STORE_STRICT it stops the start, and so does one that cannot be asked', async () => {
  const refused = await endOfService({ COMFYUI_URL, REDIS_URL: redis.url, STORE_STRICT: '1' });
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('maxmemory-policy') as string });
  const silent = await endOfService({ COMFYUI_URL, REDIS_URL: 'redis://:s3cret@127.0.0.1:1', STORE_STRICT: '1' });
  expect(silent).toMatchObject({ code: 1, output: expect.stringContaining('ECONNREFUSED') as string });
  expect(silent.output).not.toContain('s3cret');
});
