import { startRedis, type RedisServer } from '../../support/redis/redis-server';
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

test('with STORE_STRICT it stops the start, and so does one that cannot be asked', async () => {
  const refused = await endOfService({ COMFYUI_URL, REDIS_URL: redis.url, STORE_STRICT: '1' });
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('maxmemory-policy') as string });
  const silent = await endOfService({ COMFYUI_URL, REDIS_URL: 'redis://:s3cret@127.0.0.1:1', STORE_STRICT: '1' });
  expect(silent).toMatchObject({ code: 1, output: expect.stringContaining('ECONNREFUSED') as string });
  expect(silent.output).not.toContain('s3cret');
});
