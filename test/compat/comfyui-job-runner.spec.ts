import { Redis } from 'ioredis';
import {
  ComfyUIErrorHandlerService,
  ComfyUIJobPersistenceService,
  ComfyUIWebSocketClient,
  createComfyUIJobRunner,
} from '../../compat';
import { nodeError, steps, twoOutputs } from '../support/comfyui/workflows';
import { finished, start, stopAll, until } from '../support/comfyui/client/comfyui-client';
import { startRedis, type RedisServer } from '../support/redis/redis-server';
import { freePort } from '../support/network/ports';
import { eventually } from '../support/until';
import { aPod, aRunner, closeAll, expectOnce, expectWarned, warnings, withLogin } from './support';

let redisServer: RedisServer;
let redis: Redis;
let service: ComfyUIJobPersistenceService;
beforeAll(async () => {
  redisServer = await startRedis();
});
afterAll(() => redisServer.stop());
beforeEach(async () => {
  redis = new Redis(redisServer.url, { maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  await redis.flushall();
  service = new ComfyUIJobPersistenceService({ redisClient: redis });
});
afterEach(async () => {
  await closeAll();
  redis.disconnect();
  await stopAll();
});

const long = () => steps({ steps: 20, secondsPerStep: 0.1 });
const portrait = { prompt: 'a portrait', nsfw: false };

test('a job is told of from the queue to its images', async () => {
  const server = await start({ version: '0.3.30', faults: { mostSteps: 3 } });
  const runner = aRunner(aPod(server.url), twoOutputs);
  const id = await runner.submitBaseImages({ ...portrait, seed: 7 });
  await until(async () => (await runner.getJobStatus(id)).status === 'IN_PROGRESS');
  server.faults.mostSteps = Infinity;
  await until(async () => (await runner.getJobStatus(id)).status === 'COMPLETED');
  const image = expect.stringMatching(/^data:image\/png/) as string;
  expect(await runner.getJobStatus(id)).toEqual({
    status: 'COMPLETED',
    output: { images: [image, image], prompt_id: id },
  });
  expectOnce(server);
});

test('every submit builds its workflow by the factory that was passed in', async () => {
  const server = await start({ timeScale: 0.1 });
  const built = jest.fn((..._given: unknown[]) => steps({ steps: 2 }));
  const runner = aRunner(aPod(server.url), built);
  const options = { seed: 3, nsfw: true, workflowId: 'another one' };
  await runner.submitBaseImages({ ...portrait, seed: 1 });
  await runner.submitFaceSwap({ ...portrait, baseImageUrl: 'x' });
  await runner.submitCharacterSheet({ nsfw: true, baseImageUrl: 'x' });
  const mine = { prompt: 'mine', negativePrompt: 'not mine', recommended: { workflow: 'recommended' } };
  await runner.submitFromBuiltPrompt(mine);
  await runner.submitFromBuiltPrompt(mine, options);
  const [base, face, sheet, library, chosen] = built.mock.calls;
  const negativePrompt = expect.stringMatching(/nsfw, nude, naked$/) as string;
  expect(base).toEqual(['the only one', expect.objectContaining({ prompt: 'a portrait', seed: 1, negativePrompt })]);
  expect(base?.[1]).toMatchObject({ width: 1024, height: 1024 });
  expect(face?.[1]).toMatchObject({ prompt: 'a portrait, portrait, face close-up', negativePrompt });
  expect(sheet?.[1]).toMatchObject({ negativePrompt: expect.not.stringContaining('nsfw') as string });
  expect(library).toEqual(['recommended', expect.objectContaining({ prompt: 'mine', negativePrompt: 'not mine' })]);
  expect(chosen).toEqual(['another one', expect.objectContaining({ seed: 3 })]);
  await until(() => runner.getPendingJobCount() === 0);
  expectOnce(server, 5);
});

test.each([
  ['a proxy answers 502 for its images', 502, '<html>', 2],
  ['its image was deleted', 404, '', 0],
])('with onProgress a job that was run resolves with its id, though %s', async (_what, httpStatus, body, repeats) => {
  const server = await start({ faults: { status: { httpStatus, body, routes: ['/view', '/api/view'] } } });
  const errorHandler = new ComfyUIErrorHandlerService({ backoffBase: 10, maxRetries: 3 });
  const waited = jest.spyOn(errorHandler, 'getRetryDelay');
  const websocketClient = new ComfyUIWebSocketClient();
  const runner = aRunner(aPod(server.url, { websocketClient, errorHandler }), () => steps({ steps: 2 }));
  const told: number[] = [];
  const id = await runner.submitBaseImageWithWorkflow(portrait, (progress) => told.push(progress));
  expect(server.executions.get(id)).toBe(1);
  expect(told.at(-1)).toBe(100);
  // What is not there is asked for once.
  expect(waited).toHaveBeenCalledTimes(repeats);
  expectOnce(server);
});

test('a failed job is told of with its error', async () => {
  const server = await start();
  const runner = aRunner(aPod(server.url), nodeError, service);
  const id = await runner.submitBaseImages(portrait);
  await until(async () => (await runner.getJobStatus(id)).status === 'FAILED');
  expect((await runner.getJobStatus(id)).error).toContain('TestSyncError');
  await until(async () => (await service.getJobState(id))?.status === 'failed');
});

test('[R4] a server that does not answer leaves its jobs in progress', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const runner = aRunner(aPod(server.url), long);
  const id = await runner.submitBaseImages(portrait);
  await runner.close();
  await server.kill();
  warnings();
  expect(await runner.getJobStatus(id)).toEqual({ status: 'IN_PROGRESS' });
  await eventually(() => expectWarned('ECONNREFUSED'));
  expect(await runner.healthCheck()).toBe(false);
});

test.each(['0.3.30', '0.33.0'] as const)('%s: a runner takes up the jobs of the process before', async (version) => {
  const server = await start({ version, faults: { mostSteps: 10 } });
  const before = aRunner(aPod(server.url), long, service);
  const id = await before.submitBaseImages(portrait);
  await until(async () => ((await service.getJobState(id))?.progress ?? 0) > 10);
  await before.close();
  expect(await service.getJobState(id)).toMatchObject({ status: 'processing' });

  const runner = aRunner(aPod(server.url), long, service);
  await runner.recovered;
  expect(runner.getPendingJobCount()).toBe(1);
  server.faults.mostSteps = Infinity;
  await until(async () => (await service.getJobState(id))?.status === 'completed');
  expect(await service.getJobState(id)).toMatchObject({ progress: 100 });
  expect((await runner.getJobStatus(id)).status).toBe('COMPLETED');
  expect(runner.getPendingJobCount()).toBe(0);
  expectOnce(server);
});

test('a job that ended while no process was there is found ended', async () => {
  const server = await start();
  const before = aRunner(aPod(server.url), () => steps({ steps: 2 }), service);
  const id = await before.submitBaseImages(portrait);
  await before.close();
  await finished(server, id);
  const runner = aRunner(aPod(server.url), long, service);
  await runner.recovered;
  await until(async () => (await service.getJobState(id))?.status === 'completed');
  expectOnce(server);
});

test('[R12] jobs go on while Redis is down', async () => {
  const warnings = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  const server = await start();
  await redisServer.kill();
  const runner = aRunner(aPod(server.url), () => steps({ steps: 2 }), service);
  await runner.recovered;
  const id = await runner.submitBaseImages(portrait);
  await until(async () => (await runner.getJobStatus(id)).status === 'COMPLETED');
  await runner.close();
  await redisServer.start();
  expectOnce(server);
  warnings.mockRestore();
});

test('a runner that is closed has kept what it was about to keep', async () => {
  const server = await start({ faults: { mostSteps: 3 } });
  const runner = aRunner(aPod(server.url), long, service);
  await runner.recovered;
  await redis.client('PAUSE', 1_500, 'WRITE');
  let isKept = false;
  void runner.submitBaseImages({ ...portrait, seed: 1 }).then(() => (isKept = true));
  await until(() => server.executions.size > 0 && redis.commandQueue.length > 0);
  await runner.close();
  expect(isKept).toBe(true);
});

test('a runner that is closed while it takes jobs up follows none', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const before = aRunner(aPod(server.url), long, service);
  const id = await before.submitBaseImages(portrait);
  await before.close();
  const runner = aRunner(aPod(server.url), long, service);
  const submitted = runner.submitBaseImages(portrait);
  await runner.close();
  await runner.recovered;
  await submitted;
  expect(runner.getPendingJobCount()).toBe(0);
  await until(() => server.sockets() === 0);
  // The next runner takes both up.
  expect((await service.recoverActiveJobs()).map(({ promptId }) => promptId).sort()).toEqual(
    [id, await submitted].sort(),
  );
});

test('jobs are taken up under whichever login, and none is kept', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const before = aRunner(aPod(withLogin(server.url)), long, service);
  const id = await before.submitBaseImages(portrait);
  await before.close();
  const key = `comfyui:job:${id}`;
  const kept = JSON.parse((await redis.get(key)) ?? '') as object;
  expect(kept).toMatchObject({ serverUrl: server.url });
  // As an earlier version kept it.
  await redis.set(key, JSON.stringify({ ...kept, serverUrl: server.url.replace('://', '://ada:former@') }));
  const runner = aRunner(aPod(withLogin(server.url)), long, service);
  await runner.recovered;
  expect(runner.getPendingJobCount()).toBe(1);
  await until(async () => (await redis.get(key))?.includes(`"${server.url}"`) === true);
});

test('progress is told to who asks for it, and kept as of any other job', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const progress: number[] = [];
  const runner = aRunner(aPod(server.url, { websocketClient: new ComfyUIWebSocketClient() }), long, service);
  const ended = runner.submitBaseImageWithWorkflow(portrait, (each) => progress.push(each));
  await until(() => progress.length > 1);
  expect(runner.getPendingJobCount()).toBe(1);
  expect(await service.recoverActiveJobs()).toMatchObject([{ promptId: [...server.executions.keys()][0] }]);
  server.faults.mostSteps = Infinity;
  const id = await ended;
  expect([...server.executions.keys()]).toEqual([id]);
  expect(progress.at(-1)).toBe(100);
  await until(() => runner.getPendingJobCount() === 0);
  expect(await service.getJobState(id)).toMatchObject({ status: 'completed', progress: 100 });
  expectOnce(server);
});

test('a job that fails while its progress is told is kept as failed, and told of by its id', async () => {
  const server = await start();
  const runner = aRunner(aPod(server.url, { websocketClient: new ComfyUIWebSocketClient() }), nodeError, service);
  const id = await runner.submitBaseImageWithWorkflow(portrait, () => undefined);
  expect(await runner.getJobStatus(id)).toMatchObject({ status: 'FAILED' });
  await until(async () => (await service.getJobState(id))?.status === 'failed');
});

test('a runner that finds no Redis says so once, and runs jobs without', async () => {
  const warnings = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  const server = await start();
  const before = { ...process.env };
  Object.assign(process.env, { COMFYUI_POD_URL: server.url, REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
  const made = createComfyUIJobRunner({
    buildWorkflow: () => steps({ steps: 2 }),
    getRecommendedWorkflow: () => 'one',
  });
  process.env = before;
  const runner = await made;
  const id = await runner.submitBaseImages(portrait);
  await until(async () => (await runner.getJobStatus(id)).status === 'COMPLETED');
  await runner.close();
  expect(warnings.mock.calls).toEqual([[expect.stringContaining('Redis does not answer')]]);
  warnings.mockRestore();
});
