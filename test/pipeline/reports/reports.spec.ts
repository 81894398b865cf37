import type { JobReport } from '../../../pipeline/api';
import { redisStore } from '../../../sinks/redis/redis-store';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { anInstance, closeAll, expectForward, type Instance } from '../../support/pipeline/pipelines';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { aStore } from '../../support/pipeline/stores';
import { eventually, PATIENCE_MS, until } from '../../support/until';

/** No ComfyUI is there, and none is needed. */
const servers = ['http://127.0.0.1:9'];

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis.stop());
afterEach(closeAll);

const alone = (name?: string): Instance => anInstance({ servers, store: (report) => aStore(report, name) });
const oneOfMany = (): Instance =>
  anInstance({ servers, store: (report) => redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }) });

const opening = { type: 'lora_training', userId: 'ada', reported: { steps: 100 } };
const step = (count: number, more: Partial<JobReport> = {}): JobReport => ({
  count,
  value: count,
  max: 100,
  metrics: { loss: 1 / count },
  ...more,
});

describe.each<[string, (name?: string) => Instance]>([
  ['an embedded store', alone],
  ['Redis', oneOfMany],
])('a job that reports itself, with %s', (_, instance) => {
  test('is told of from its opening to its end, and is one job among others', async () => {
    const { pipeline, watch } = instance();
    const { promptId, status, reported } = await pipeline.open(opening);
    expect({ status, reported }).toMatchObject({
      status: 'queued',
      reported: { steps: 100, silentMs: 300_000, count: 0 },
    });
    const watched = watch(promptId);
    for (let count = 1; count <= 20; count += 1) await pipeline.report(promptId, step(count, { stage: 'training' }));
    expect(await pipeline.get(promptId)).toMatchObject({
      status: 'processing',
      stage: 'training',
      metrics: { loss: 0.05 },
    });

    const last = await pipeline.report(promptId, { count: 21, outputs: ['ada.safetensors'] });

    expect(last).toMatchObject({ status: 'completed', outputs: [{ filename: 'ada.safetensors', type: 'reported' }] });
    expect(await watched.end).toEqual(last);
    expectForward(watched.states);
    expect((await pipeline.list({ userId: 'ada' })).jobs.map((job) => job.promptId)).toContain(promptId);
    expect((await pipeline.report(promptId, step(22))).seq).toBe(last.seq);
    const curves = await pipeline.curves(promptId);
    expect(curves.points.at(-1)).toMatchObject({ value: 20, metrics: { loss: 0.05 } });
    expect(curves.points.length).toBeGreaterThan(1);
  });

  test('ends as timed out once it was silent for too long, queued or not', async () => {
    const { pipeline, watch } = instance();
    const silent = { ...opening, reported: { silentMs: 1_000 } };
    const [never, once] = await Promise.all([pipeline.open(silent), pipeline.open(silent)]);
    await pipeline.report(once.promptId, step(1));
    for (const { promptId } of [never, once])
      expect(await watch(promptId).end).toMatchObject({
        status: 'failed',
        failure: {
          kind: 'timed_out',
          message: expect.stringMatching('not heard of for 1 s') as string,
          retryable: true,
        },
      });
  });

  test('that is cancelled says so in the answer to its next report', async () => {
    const { pipeline } = instance();
    const { promptId } = await pipeline.open(opening);
    await pipeline.report(promptId, step(1));
    await pipeline.cancel(promptId);
    expect(await pipeline.report(promptId, step(2))).toMatchObject({
      status: 'failed',
      failure: { kind: 'cancelled' },
    });
  });

  test('is opened once under one key, and refused past a bound', async () => {
    const { pipeline } = instance();
    const once = { key: 'ada:training-1', body: 'x' };
    const [a, b] = await Promise.all([pipeline.open({ ...opening, once }), pipeline.open({ ...opening, once })]);
    expect(b.promptId).toBe(a.promptId);
    await expect(pipeline.report(a.promptId, step(1, { max: 0 }))).rejects.toMatchObject({ field: 'max' });
    await expect(pipeline.open({ ...opening, reported: { silentMs: 1 } })).rejects.toThrow(/reported silentMs/);
    await expect(pipeline.report('no-such-job', step(1))).rejects.toMatchObject({ name: 'UnknownJob' });
    await pipeline.cancel(a.promptId);
  });
});

test('[R2] a training goes on through a restart, at its pace, with its curves', async () => {
  const before = alone('restarted');
  const { promptId } = await before.pipeline.open(opening);
  const states: JobState[] = [];
  before.pipeline.states$.subscribe((state) => states.push(state));
  for (let count = 1; count <= 10; count += 1) await before.pipeline.report(promptId, step(count));
  await before.pipeline.close();

  const after = alone('restarted');
  after.pipeline.states$.subscribe((state) => states.push(state));
  await eventually(async () => expect((await after.pipeline.report(promptId, step(11))).reported?.count).toBe(11));
  await after.pipeline.report(promptId, { count: 12, outputs: [] });

  expectForward(states);
  const { points } = await after.pipeline.curves(promptId);
  const values = points.map(({ value = 0 }) => value);
  expect(values).toEqual([...values].sort((a, b) => a - b));
  expect(values.slice(-2)).toEqual([10, 11]);
});

test('reports reach the job at any instance, and so does its end', async () => {
  const [holder, other] = [oneOfMany(), oneOfMany()];
  const { promptId } = await holder.pipeline.open(opening);
  const watched = holder.watch(promptId);
  for (let count = 1; count <= 5; count += 1) await other.pipeline.report(promptId, step(count));
  await watched.where(({ reported }) => reported?.count === 5);
  const end = await other.pipeline.report(promptId, { count: 6, failure: { message: 'The loss is not a number.' } });
  expect(end).toMatchObject({
    status: 'failed',
    failure: { kind: 'node_error', message: 'The loss is not a number.' },
  });
  expect(await watched.end).toEqual(end);
});

test('a report is answered once it is taken: not because a holder listens that is suspended', async () => {
  const link = await tcpProxy(redis.url.replace('redis:', 'http:'));
  const url = link.url.replace('http:', 'redis:');
  const holder = anInstance({ servers, store: (report) => redisStore({ url, report, leaseTtlMs: 3_000 }) });
  const { promptId } = await holder.pipeline.open(opening);
  await holder.pipeline.report(promptId, step(1));
  const other = oneOfMany();
  await until(async () => (await other.pipeline.get(promptId))?.reported?.count === 1);
  link.pause();
  let answer: JobState | undefined;
  await eventually(async () => void (answer = await other.pipeline.report(promptId, step(2))));
  expect(answer?.reported?.count).toBe(2);
  await closeAll();
  await link.close();
});

test('whoever takes a job up takes its reports, and ends it in time', async () => {
  const [holder, other] = [oneOfMany(), oneOfMany()];
  const jobs = await Promise.all(
    [60_000, 3_000].map((silentMs) => holder.pipeline.open({ ...opening, reported: { steps: 100, silentMs } })),
  );
  const [goesOn, fallsSilent] = jobs.map(({ promptId }) => promptId) as [string, string];
  for (const promptId of [goesOn, fallsSilent]) await holder.pipeline.report(promptId, step(1));
  await holder.pipeline.close();

  expect((await other.pipeline.report(goesOn, step(2))).status).toBe('processing');
  expect(await other.watch(fallsSilent).end).toMatchObject({ failure: { kind: 'timed_out' } });
  expect(await other.pipeline.report(goesOn, { count: 3, outputs: ['a'] })).toMatchObject({ status: 'completed' });
});

test('[R12] while the store is away reports are taken here, silence says nothing, and no end is answered that may be lost', async () => {
  const { pipeline, watch } = oneOfMany();
  const { promptId } = await pipeline.open(opening);
  await pipeline.report(promptId, step(1));
  await redis.kill();
  expect((await pipeline.report(promptId, step(2))).reported?.count).toBe(2);
  const ended = pipeline.report(promptId, { count: 3, outputs: ['a'] }).then(
    () => 'answered',
    (error: unknown) => (error as Error).name,
  );
  await until(async () => isSettled((await pipeline.get(promptId))!));
  await redis.start();
  // Sent until it is answered, as trainers do.
  await eventually(async () =>
    expect((await pipeline.report(promptId, { count: 3, outputs: ['a'] })).status).toBe('completed'),
  );
  expect(['answered', 'StoreUnavailable']).toContain(await ended);
  expect((await watch(promptId).end).status).toBe('completed');
});
