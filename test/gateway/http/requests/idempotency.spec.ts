import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { lastValueFrom } from 'rxjs';
import { KeyReused, KeySpent, type Pipeline, type SubmitRequest } from '../../../../pipeline/api';
import { createPipeline } from '../../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../../sinks/embedded/embedded-store';
import { StoreUnavailable, type JobStore } from '../../../../sinks/job-store';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { startComfyUI, type ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { rejected, steps } from '../../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../../support/redis/redis-server';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { PATIENCE_MS } from '../../../support/until';

const report = () => undefined;
const runs = (comfy: ComfyUIStandIn): number => [...comfy.executions.values()].reduce((sum, times) => sum + times, 0);

describe('Idempotency-Key on POST /jobs:', () => {
  let gateway: RunningGateway;
  let ada: string, bob: string;
  beforeAll(async () => {
    gateway = await runningGateway({ auth: testAuth });
    [ada, bob] = await Promise.all([tokenOf({ sub: 'ada' }), tokenOf({ sub: 'bob' })]);
  });
  afterAll(() => gateway.close());

  const request = (workflow: unknown = steps(), userId = 'ada') => ({ workflow, type: 'image_generation', userId });
  const post = (key: string, body: unknown, token = ada) =>
    asking(gateway)('POST', '/jobs', { body, token, headers: { 'Idempotency-Key': key } });
  const idOf = ({ json }: { json: Readonly<Record<string, unknown>> }) => String(json['promptId']);

  /** Until they are let go, no job ends, however long it takes to be asked of. */
  const holdJobs = (): void => void (gateway.comfy.faults.mostSteps = 1);
  const letJobsGo = (): void => void (gateway.comfy.faults.mostSteps = Infinity);

  test('the same again is the same job: 202 while it runs, 200 when it has ended', async () => {
    const before = runs(gateway.comfy);
    const body = request(steps({ steps: 20 }));
    holdJobs();
    const first = await post('twice', body);
    const second = await post('twice', body);
    letJobsGo();
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(idOf(second)).toBe(idOf(first));
    expect(second.headers['location']).toBe(`/jobs/${idOf(first)}`);
    await settled(gateway.pipeline, idOf(first));
    const third = await post('twice', body);
    expect(third).toMatchObject({ status: 200, json: { promptId: idOf(first), status: 'completed' } });
    expect(runs(gateway.comfy)).toBe(before + 1);
  });

  test('many at once are one job', async () => {
    const before = runs(gateway.comfy);
    const body = request();
    holdJobs();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('at-once', body)));
    letJobsGo();
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    await settled(gateway.pipeline, idOf(answers[0]!));
    expect(runs(gateway.comfy)).toBe(before + 1);
  });

  test('another body under the key is 422, and runs nothing', async () => {
    const body = request();
    const first = await post('changed', body);
    await settled(gateway.pipeline, idOf(first));
    const before = runs(gateway.comfy);
    const other = await post('changed', { ...body, type: 'face_swap' });
    expect(other).toMatchObject({ status: 422, json: { type: 'urn:comfyui-jobstream:problem:key-reused' } });
    expect(other.text).not.toContain(idOf(first));
    expect(runs(gateway.comfy)).toBe(before);
  });

  test('another user’s key is another key', async () => {
    const [one, other] = [await post('mine', request()), await post('mine', request(steps(), 'bob'), bob)];
    expect([one.status, other.status]).toEqual([202, 202]);
    expect(idOf(one)).not.toBe(idOf(other));
    await Promise.all([one, other].map((each) => settled(gateway.pipeline, idOf(each))));
  });

  test('a refused workflow is refused again, by the same job', async () => {
    const body = request(rejected());
    const [first, second] = [await post('refused', body), await post('refused', body)];
    expect([first.status, second.status]).toEqual([422, 422]);
    expect(second.json).toEqual(first.json);
    expect(first.json['nodeErrors']).toBeDefined();
  });

  test('a request that is wrong in itself uses no key', async () => {
    const body = request();
    expect((await post('kept', { ...body, type: '' })).status).toBe(400);
    expect((await post('kept', { ...body, server: 'http://elsewhere:1' })).status).toBe(400);
    expect((await post('kept', { ...body, userId: 'bob' })).status).toBe(403);
    const first = await post('kept', body);
    expect(first.status).toBe(202);
    await settled(gateway.pipeline, idOf(first));
  });

  test.each(['', 'x'.repeat(256), 'with space', 'tab\t.', 'é'])('%j is no key', async (key) => {
    const answer = await post(key, request());
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ field: 'Idempotency-Key' }] } });
  });

  test('without a key the same is two jobs', async () => {
    const body = request();
    const answers = await Promise.all([1, 2].map(() => asking(gateway)('POST', '/jobs', { body, token: ada })));
    expect(new Set(answers.map(idOf)).size).toBe(2);
    await Promise.all(answers.map((each) => settled(gateway.pipeline, idOf(each))));
  });
});

describe('submitting once', () => {
  let comfy: ComfyUIStandIn;
  let directory: string;
  const open: Pipeline[] = [];
  beforeEach(async () => {
    comfy = await startComfyUI({ version: '0.33.0', timeScale: 0.2 });
    directory = await mkdtemp(join(tmpdir(), 'once-'));
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()));
    await comfy.stop();
    await rm(directory, { recursive: true });
  });

  const pipelineOn = (store: JobStore): Pipeline => {
    const pipeline = createPipeline({ servers: [comfy.url], store, report });
    open.push(pipeline);
    return pipeline;
  };
  const embedded = (): JobStore => embeddedStore({ directory, report });
  const request = (key: string, body = 'digest'): SubmitRequest => ({
    workflow: steps({ seed: 7 }),
    type: 'image_generation',
    userId: 'ada',
    once: { key, body },
  });
  const kept = (store: JobStore, key: string, reservation: object) =>
    lastValueFrom(store.reserve(key, JSON.stringify(reservation)));

  test('holds over a restart', async () => {
    const first = pipelineOn(embedded());
    const { promptId } = await first.submit(request('k'));
    await settled(first, promptId);
    await open.pop()!.close();
    const second = pipelineOn(embedded());
    expect(await second.submit(request('k'))).toMatchObject({ promptId, status: 'completed' });
    await expect(second.submit(request('k', 'another'))).rejects.toThrow(KeyReused);
    expect(runs(comfy)).toBe(1);
  });

  test('an instance that died before it stored the job is made good, under the id it chose', async () => {
    const store = embedded();
    const promptId = randomUUID();
    await kept(store, 'k', { promptId, at: Date.now() - 60_000, body: 'digest' });
    const pipeline = pipelineOn(store);
    expect((await pipeline.submit(request('k'))).promptId).toBe(promptId);
    expect(await settled(pipeline, promptId)).toMatchObject({ status: 'completed' });
    expect(runs(comfy)).toBe(1);
  });

  test('a job that was forgotten meanwhile is told as it was, and not run again', async () => {
    const store = embedded();
    const pipeline = pipelineOn(store);
    const submitted = await pipeline.submit(request('k'));
    await settled(pipeline, submitted.promptId);
    // Its end is told before it is stored, and what is stored later would bring it back.
    while ((await lastValueFrom(store.get(submitted.promptId)))?.status !== 'completed') await sleep(5);
    await lastValueFrom(store.remove(submitted.promptId));
    expect(await pipeline.submit(request('k'))).toEqual(submitted);
    expect(runs(comfy)).toBe(1);
  });

  test('where nothing tells any more whether it was run, it is not run', async () => {
    const store = embedded();
    await kept(store, 'k', { promptId: randomUUID(), at: Date.now() - 7_100_000, body: 'digest' });
    await expect(pipelineOn(store).submit(request('k'))).rejects.toThrow(KeySpent);
    expect(runs(comfy)).toBe(0);
  });

  test('what somebody else wrote under the key is no leave to run it', async () => {
    const store = embedded();
    await lastValueFrom(store.reserve('k', 'no JSON'));
    await expect(pipelineOn(store).submit(request('k'))).rejects.toThrow(KeyReused);
  });

  describe('over Redis', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server.stop());
    const shared = (): JobStore => redisStore({ url: server.url, report, commandTimeoutMs: PATIENCE_MS });

    test('many at once through two instances are one job, seen by both', async () => {
      const instances = [pipelineOn(shared()), pipelineOn(shared())];
      const jobs = await Promise.all(Array.from({ length: 20 }, (_, n) => instances[n % 2]!.submit(request('k'))));
      const [promptId, ...others] = new Set(jobs.map((job) => job.promptId));
      expect(others).toEqual([]);
      await Promise.all(instances.map((each) => settled(each, promptId!)));
      expect(runs(comfy)).toBe(1);
    });

    test('two who begin it with the same id, which neither has stored, are one submission', async () => {
      const store = shared();
      await kept(store, 'same', { promptId: randomUUID(), at: Date.now(), body: 'digest' });
      const instances = [pipelineOn(shared()), pipelineOn(store)];
      const jobs = await Promise.all([0, 1, 0, 1].map((n) => instances[n]!.submit(request('same'))));
      const [promptId, ...others] = new Set(jobs.map((job) => job.promptId));
      expect(others).toEqual([]);
      await Promise.all(instances.map((each) => settled(each, promptId!)));
      expect(runs(comfy)).toBe(1);
    });

    test('Redis away: nothing is run on suspicion; back: once', async () => {
      const admin = new Redis(server.url);
      const pipeline = pipelineOn(shared());
      const own = { promptId: randomUUID(), at: Date.now(), body: 'digest' };
      const store = shared();
      await kept(store, 'later', own);
      await admin.quit();
      await server.kill();
      await expect(pipeline.submit(request('later'))).rejects.toThrow(StoreUnavailable);
      expect(runs(comfy)).toBe(0);
      await server.start();
      const again = async (): Promise<string> =>
        pipeline.submit(request('later')).then(
          ({ promptId }) => promptId,
          () => new Promise((resolve) => setTimeout(resolve, 50)).then(again),
        );
      await settled(pipeline, await again());
      await pipeline.submit(request('later'));
      expect(runs(comfy)).toBe(1);
      await lastValueFrom(store.close(), { defaultValue: undefined });
    });
  });
});
