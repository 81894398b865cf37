import { Redis } from 'ioredis';
import {
  ComfyUIJobPersistenceService,
  createComfyUIJobPersistenceService,
  type JobState,
  type RedisClient,
} from '../../compat';
import { startRedis, type RedisServer } from '../support/redis/redis-server';
import { withLogin } from './support';

let redisServer: RedisServer;
let redis: Redis;
let service: ComfyUIJobPersistenceService;
beforeAll(async () => {
  redisServer = await startRedis();
  redis = new Redis(redisServer.url);
});
afterAll(async () => {
  redis.disconnect();
  await redisServer.stop();
});
beforeEach(async () => {
  await redis.flushall();
  service = new ComfyUIJobPersistenceService({ redisClient: redis });
});

const job = (promptId: string, more: Partial<JobState> = {}): JobState => ({
  promptId,
  type: 'image_generation',
  userId: 'ada',
  status: 'processing',
  progress: 40,
  startedAt: Date.now(),
  serverUrl: 'http://pod:8188',
  ...more,
});
const minutesAgo = (minutes: number): number => Date.now() - minutes * 60_000;

test('a state is a string under comfyui:job:, gone 7,200 s after its last write', async () => {
  await service.saveJobState(job('a'));
  expect(JSON.parse((await redis.get('comfyui:job:a')) ?? '')).toEqual(await service.getJobState('a'));
  expect(await redis.ttl('comfyui:job:a')).toBeGreaterThan(7_190);
  await service.deleteJobState('a');
  expect(await redis.keys('*')).toEqual([]);
});

test('[R1, R2] a job that has ended stays as it is, and progress never falls and is a whole number', async () => {
  await service.saveJobState(job('a'));
  await service.updateJobState('a', { progress: 10 });
  expect(await service.getJobState('a')).toMatchObject({ progress: 40 });
  await service.updateJobState('a', { progress: 57.9 });
  expect(await service.getJobState('a')).toMatchObject({ progress: 57 });
  await Promise.all([
    service.updateJobState('a', { progress: 70 }),
    service.updateJobState('a', { status: 'completed', progress: 100 }),
    service.updateJobState('a', { status: 'processing', progress: 80 }),
  ]);
  expect(await service.getJobState('a')).toMatchObject({ status: 'completed', progress: 100 });
});

test('a login in the server’s URL is not kept', async () => {
  await service.saveJobState(job('a', { serverUrl: withLogin('http://pod:8188') }));
  await service.updateJobState('a', { progress: 50 });
  expect(JSON.parse((await redis.get('comfyui:job:a')) ?? '')).toMatchObject({ serverUrl: 'http://pod:8188' });
});

test.each(['scan', 'keys'])('by %s, jobs are recovered that have not ended and are not too old', async (how) => {
  await service.saveJobState(job('running', { startedAt: minutesAgo(5) }));
  await service.saveJobState(job('waiting', { status: 'queued', progress: 0 }));
  await service.saveJobState(job('old', { startedAt: minutesAgo(15) }));
  await service.saveJobState(job('ended', { status: 'completed' }));
  await redis.set('comfyui:job:spoilt', '{');
  await redis.hset('comfyui:job:no string', 'a', 'b');
  await redis.set('comfyui:jobs', 'another’s');
  const bare: RedisClient = {
    get: (key) => redis.get(key),
    set: (key, value, unit, seconds) => redis.set(key, value, unit, seconds),
    del: (key) => redis.del(key),
    keys: (pattern) => redis.keys(pattern),
    ping: () => redis.ping(),
  };
  const asking = new ComfyUIJobPersistenceService({ redisClient: how === 'scan' ? redis : bare });
  expect((await asking.recoverActiveJobs()).map(({ promptId }) => promptId).sort()).toEqual(['running', 'waiting']);
});

test('states older than their time to live are cleaned up', async () => {
  await service.saveJobState(job('ancient', { startedAt: minutesAgo(121) }));
  await service.saveJobState(job('recent', { startedAt: minutesAgo(119) }));
  expect(await service.cleanupStaleJobs()).toBe(1);
  expect(await redis.keys('*')).toEqual(['comfyui:job:recent']);
});

/** The service that these settings make. */
function made(env: Record<string, string>): ComfyUIJobPersistenceService {
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    return createComfyUIJobPersistenceService();
  } finally {
    process.env = before;
  }
}

test('a login in REDIS_URL that is not percent-encoded is named, and not told', () => {
  const refused = new TypeError('a login in REDIS_URL must be percent-encoded: % is %25');
  expect(() => made({ REDIS_URL: 'redis://:50%off@127.0.0.1:1' })).toThrow(refused);
});

test('whether Redis answers is told, and where it is comes from the environment', async () => {
  expect(await service.isAvailable()).toBe(true);
  const asked = made({ REDIS_URL: redisServer.url });
  await asked.saveJobState(job('a'));
  expect(await redis.exists('comfyui:job:a')).toBe(1);
  asked.close();
  expect(await asked.isAvailable()).toBe(false);
});

test('the database and the user that REDIS_URL names are used', async () => {
  await redis.call('ACL', 'SETUSER', 'application', 'on', '>its password', '~comfyui:job:*', '+@all');
  const { host } = new URL(redisServer.url);
  const asked = made({ REDIS_URL: `redis://application:its%20password@${host}/2` });
  await asked.saveJobState(job('a'));
  expect(await redis.keys('*')).toEqual([]);
  await redis.select(2);
  expect(await redis.keys('*')).toEqual(['comfyui:job:a']);
  await redis.select(0);
  expect(await redis.call('CLIENT', 'LIST')).toContain('user=application');
  asked.close();
});
