import { firstValueFrom, filter, timeout } from 'rxjs';
import { pino } from 'pino';
import { openAuth } from '../../../../gateway/admission/auth/auth';
import { jobstream, type Jobstream } from '../../../../gateway/client';
import { startGateway, type Gateway } from '../../../../gateway/server/server';
import type { Pipeline } from '../../../../pipeline/api';
import { createPipeline } from '../../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { startComfyUI, type ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { steps } from '../../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../../support/redis/redis-server';
import { PATIENCE_MS, until } from '../../../support/until';

let redis: RedisServer;
let comfy: ComfyUIStandIn;
let pipeline: Pipeline;
let gateway: Gateway;
let jobs: Jobstream;

beforeEach(async () => {
  [redis, comfy] = await Promise.all([startRedis(), startComfyUI({ version: '0.33.0', timeScale: 0.2 })]);
  const report = () => undefined;
  pipeline = createPipeline({
    servers: [comfy.url],
    store: redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
    report,
  });
  const logger = pino({ level: 'silent' });
  gateway = await startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: openAuth, logger });
  jobs = jobstream({ url: gateway.url });
});
afterEach(async () => {
  jobs.close();
  await gateway.close();
  await pipeline.close();
  await Promise.all([redis.stop(), comfy.stop()]);
});

const listed = async () => {
  const answer = await fetch(`${gateway.url}/jobs`);
  const { jobs: found, partial } = (await answer.json()) as { jobs: readonly object[]; partial?: boolean };
  return { header: answer.headers.get('jobs-partial'), partial, count: found.length };
};

test('[R12] a list, and live jobs, say that they are of one instance alone while the store is away', async () => {
  comfy.faults.mostSteps = 1;
  await pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  expect(await listed()).toEqual({ header: null, partial: undefined, count: 1 });
  await redis.kill();
  await until(async () => (await listed()).partial === true);
  expect(await listed()).toEqual({ header: 'true', partial: true, count: 1 });
  const watching = jobs.watchMine().subscribe();
  const told = (isPartial: boolean) =>
    firstValueFrom(
      jobs.partial$.pipe(
        filter((value) => value === isPartial),
        timeout(PATIENCE_MS),
      ),
    );
  expect(await told(true)).toBe(true);
  await redis.start();
  expect(await told(false)).toBe(false);
  await until(async () => (await listed()).partial === undefined);
  watching.unsubscribe();
});
