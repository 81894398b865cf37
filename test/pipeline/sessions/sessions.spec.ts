import { NEVER, of } from 'rxjs';
import { SESSIONS_KEY } from '../../../sinks/redis/leases/session-registry';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { expectForward, takenUp, type InstanceOptions } from '../../support/pipeline/pipelines';
import { until } from '../../support/until';
import { lasting, onOneRedis, progressed, short } from '../../support/pipeline/one-redis';

const one = onOneRedis();
const { instance, holdJobs, letJobsGo, stored, owner } = one;

describe('an instance that closes', () => {
  test('hands its jobs over at once; their frames go on, and each ran once', async () => {
    // Nobody can wait for its leases to run out.
    const store: InstanceOptions['store'] = (report) =>
      redisStore({ url: one.redis.url, report, leaseTtlMs: 3_600_000 });
    const [a, b] = [instance({ store }), instance({ store })];
    holdJobs();
    const job = await a.run(lasting(2.5));
    await job.where(progressed);
    await a.pipeline.close();
    const [state] = (await takenUp(b.pipeline, job.promptId)).filter(({ promptId }) => promptId === job.promptId);
    expect(state).toMatchObject({ status: 'processing' });
    const here = b.watch(job.promptId);
    const running = await here.where(({ status }) => status === 'processing');
    expect(running.epoch).toBeGreaterThan(job.states[0]!.epoch);
    letJobsGo();
    await here.where(({ via, progress }) => via === 'websocket' && progress > running.progress);
    const end = await here.end;
    expect(end).toMatchObject({ status: 'completed', progress: 100, attempt: 1 });
    expect(end.outputs).toHaveLength(1);
    expect(one.comfy.executions.get(job.promptId)).toBe(1);
    expectForward(here.states);
  });

  test('[R2, R11] is not missed by who watches elsewhere: the epoch, the order and the progress go on', async () => {
    const [a, b] = [instance(), instance()];
    holdJobs();
    const job = await a.run(lasting(2.5));
    await job.where(progressed);
    const elsewhere = b.watch(job.promptId);
    await elsewhere.where(progressed);
    await a.pipeline.close();
    letJobsGo();
    await elsewhere.end;
    expectForward(elsewhere.states);
    expect(new Set(elsewhere.states.map(({ epoch }) => epoch)).size).toBe(2);
    expect(elsewhere.states.at(-1)).toMatchObject({ status: 'completed', progress: 100 });
    // Watchers here are told first, then the store.
    await until(async () => (await stored(job.promptId))?.status === 'completed');
    expect(await stored(job.promptId)).toEqual(elsewhere.states.at(-1));
  });

  test('does not forget a session whose jobs it has not taken up yet', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(4));
    await job.where(progressed);
    await a.pipeline.close();
    const clientId = job.states[0]?.clientId;
    const hasty = instance({
      store: (report) => ({ ...redisStore({ url: one.redis.url, report }), list: () => NEVER }),
    });
    await until(async () => (await owner(clientId)) !== null);
    await hasty.pipeline.close();
    const b = instance();
    await takenUp(b.pipeline, job.promptId);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed', progress: 100 });
  });

  test('[R1] a job that ended while it was being taken up is not taken up', async () => {
    const a = instance();
    const job = await a.run(short());
    const end = await job.end;
    await until(async () => (await stored(job.promptId))?.status === 'completed');
    // As it was read before it ended; of no session, so that whoever finds it may take it up.
    const { finishedAt: _f, outputs: _o, clientId: _c, ...before } = end;
    const late: JobState = { ...before, status: 'processing', phase: 'running', progress: 10, seq: 2 };
    const seen: JobState[] = [];
    const b = instance({
      store: (report) => ({ ...redisStore({ url: one.redis.url, report }), list: () => of(late) }),
    });
    b.pipeline.states$.subscribe((state) => seen.push(state));
    // What it began with is done with before what it is given later.
    expect(await (await b.run(short())).end).toMatchObject({ status: 'completed' });
    expect(seen.filter(({ promptId }) => promptId === job.promptId)).toEqual([]);
    expect(await stored(job.promptId)).toEqual(end);
  });

  test('leaves nothing behind where it has no jobs but the jobs’ ends and what they taught', async () => {
    const a = instance();
    const job = await a.run(short());
    await job.end;
    await until(async () => (await one.admin.hlen(SESSIONS_KEY)) > 0);
    await a.pipeline.close();
    const isOfJobs = (key: string): boolean =>
      key.includes('fence') || key.startsWith('jobstream:jobs:') || key === 'jobstream:learned';
    expect((await one.admin.keys('jobstream:*')).filter((key) => !isOfJobs(key))).toEqual([]);
    expect(await stored(job.promptId)).toMatchObject({ status: 'completed' });
  });

  test('hands what waits in the queue over too, and the next instance takes up what nobody did meanwhile', async () => {
    const a = instance();
    holdJobs();
    const jobs = [await a.run(lasting(2)), await a.run(short()), await a.run(short())];
    await a.pipeline.close();
    const b = instance();
    for (const { promptId } of jobs) await takenUp(b.pipeline, promptId);
    letJobsGo();
    const ends = await Promise.all(jobs.map(({ promptId }) => b.watch(promptId).end));
    expect(ends.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(jobs.map(({ promptId }) => one.comfy.executions.get(promptId))).toEqual([1, 1, 1]);
  });
});

describe('any instance', () => {
  test('answers for jobs that another holds', async () => {
    const [a, b] = [instance(), instance()];
    holdJobs();
    const job = await a.run(lasting(1));
    await job.where(progressed);
    await until(async () => (await stored(job.promptId))?.status === 'processing');
    expect(await b.pipeline.get(job.promptId)).toMatchObject({ promptId: job.promptId, status: 'processing' });
    expect((await b.pipeline.list({ userId: 'ada' })).jobs.map(({ promptId }) => promptId)).toEqual([job.promptId]);
    expect((await a.pipeline.list()).jobs.map(({ promptId }) => promptId)).toEqual([job.promptId]);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed' });
    expect(await b.pipeline.get(job.promptId)).toEqual(await a.pipeline.get(job.promptId));
  });

  test('cancels a job that another holds: it is cancelled, not interrupted', async () => {
    const [a, b] = [instance(), instance()];
    const running = await a.run(lasting(100));
    const waiting = await a.run(short());
    await running.where(progressed);
    for (const job of [waiting, running]) {
      await b.pipeline.cancel(job.promptId);
      expect((await job.end).failure?.kind).toBe('cancelled');
      expect((await b.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    }
    expect(one.comfy.executions.has(waiting.promptId)).toBe(false);
    expect(await b.pipeline.cancel(running.promptId)).toMatchObject({ status: 'failed' });
    expect(await b.pipeline.cancel('nobody')).toBeUndefined();
  });

  test('cancels a job whose holder closes just then', async () => {
    const [a, b, c] = [instance(), instance(), instance()];
    const job = await a.run(lasting(100));
    await job.where(progressed);
    const closing = a.pipeline.close();
    await c.pipeline.cancel(job.promptId);
    expect((await c.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    expect((await b.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    await closing;
  });
});
