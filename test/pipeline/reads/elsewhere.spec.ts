import { Redis } from 'ioredis';
import type { Preview } from '../../../pipeline/api';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { anInstance, closeAll, expectForward, type Instance } from '../../support/pipeline/pipelines';
import { startRedisCluster } from '../../support/redis/redis-cluster';
import { startRedis } from '../../support/redis/redis-server';
import { PATIENCE_MS } from '../../support/until';

/** A Redis, or three that are one. */
interface Shared {
  readonly url: string;
  readonly stop: () => Promise<unknown>;
}

describe.each<[string, () => Promise<Shared>]>([
  ['one Redis', startRedis],
  ['a Redis Cluster', startRedisCluster],
])('an instance that does not hold a job, on %s', (_, startShared) => {
  let shared: Shared;
  let comfy: ComfyUIStandIn;

  beforeAll(async () => (shared = await startShared()));
  afterAll(() => shared.stop());
  beforeEach(async () => (comfy = await start()));
  afterEach(async () => {
    await closeAll();
    await stopAll();
  });

  const instance = (): Instance =>
    anInstance({
      servers: [comfy.url],
      store: (report) => redisStore({ url: shared.url, report, commandTimeoutMs: PATIENCE_MS }),
    });
  const lateSeqs = (states: readonly JobState[]): readonly number[] =>
    states.filter(({ node }) => (node?.value ?? 0) > 20).map(({ seq }) => seq);

  test('[R2, R8] tells every change that its holder tells, in their order, and the end', async () => {
    const [holder, other] = [instance(), instance()];
    comfy.faults.mostSteps = 15;
    const job = await holder.run(steps({ steps: 60, secondsPerStep: 0.06 }));
    const elsewhere = other.watch(job.promptId);
    await elsewhere.where(({ node }) => (node?.value ?? 0) >= 5);

    comfy.faults.mostSteps = Infinity;
    const end = await elsewhere.end;
    await job.end;

    expect(end).toMatchObject({ status: 'completed', progress: 100 });
    expectForward(elsewhere.states);
    expect(lateSeqs(job.states).length).toBeGreaterThan(2);
    expect(lateSeqs(elsewhere.states)).toEqual(lateSeqs(job.states));
  });

  test('shows the previews of the job that is asked for, as they came, and no other’s', async () => {
    const [holder, other] = [instance(), instance()];
    const here: Preview[] = [];
    const there: Preview[] = [];
    comfy.faults.mostSteps = 5;
    const job = await holder.run(steps({ steps: 200, secondsPerStep: 0.05, previewEvery: 1 }));
    holder.pipeline.previews(job.promptId).subscribe((preview) => here.push(preview));
    other.pipeline.previews(job.promptId).subscribe((preview) => there.push(preview));
    other.watch(job.promptId);
    await job.where(({ node }) => (node?.value ?? 0) >= 5);
    comfy.faults.mostSteps = Infinity;

    await until(() => there.length >= 3);

    const images = here.map(({ image }) => Buffer.from(image).toString('base64'));
    for (const { promptId, nodeId, mimeType, image } of there) {
      expect({ promptId, nodeId, mimeType }).toEqual({ promptId: job.promptId, nodeId: '2', mimeType: 'image/jpeg' });
      expect(images).toContain(Buffer.from(image).toString('base64'));
    }
    await other.pipeline.cancel(job.promptId);
    await job.end;
  });
});

test('[R17] nobody elsewhere, no command more: a job is published as often as it is stored', async () => {
  const redis = await startRedis();
  const comfy = await start();
  const admin = new Redis(redis.url);
  const holder = anInstance({
    servers: [comfy.url],
    store: (report) => redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
  });

  const job = await holder.run(steps({ steps: 60, secondsPerStep: 0.06 }));
  await job.end;
  await until(async () => (await admin.get(`comfyui:job:${job.promptId}`))?.includes('"completed"') === true);

  const stats = await admin.info('commandstats');
  const calls = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  // A state is set, and its fence.
  expect(calls('spublish')).toBeGreaterThan(0);
  expect(calls('spublish')).toBeLessThanOrEqual(calls('set') / 2);
  await closeAll();
  await admin.quit();
  await stopAll();
  await redis.stop();
});
