import { takenUp } from '../../../support/pipeline/pipelines';
import { until } from '../../../support/until';
import { lasting, onOneRedis, progressed, short } from '../../../support/pipeline/one-redis';

const one = onOneRedis();
const { instance, holdJobs, letJobsGo, stored, owner } = one;

describe('[R12] while Redis is down', () => {
  let down = false;
  const kill = async (): Promise<void> => {
    await one.redis.kill();
    down = true;
  };
  const comeBack = async (): Promise<void> => {
    if (down) await one.redis.start();
    down = false;
  };
  afterEach(comeBack);

  test('from the start on, jobs run, are watched and cancelled, and are written when it comes', async () => {
    await kill();
    const a = instance();
    const job = await a.run(short());
    const cancelled = await a.run(lasting(100));
    await a.pipeline.cancel(cancelled.promptId);
    expect(await job.end).toMatchObject({ status: 'completed', progress: 100 });
    expect((await cancelled.end).failure?.kind).toBe('cancelled');
    expect(await a.pipeline.storeHealthy()).toBe(false);
    holdJobs();
    const running = await a.run(lasting(3.5));
    await running.where(progressed);
    await comeBack();
    for (const { promptId, states } of [job, cancelled])
      await until(async () => JSON.stringify(await stored(promptId)) === JSON.stringify(states.at(-1)));
    await until(async () => (await stored(running.promptId)) !== undefined);
    await until(async () => (await owner(running.states[0]?.clientId)) !== null);
    letJobsGo();
    expect(await running.end).toMatchObject({ status: 'completed' });
    expect(one.comfy.executions.get(job.promptId)).toBe(1);
  });

  test('a workflow that could not be kept is kept when it comes: the job may be run again', async () => {
    await kill();
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(3), { onLost: 'resubmit' });
    await job.where(progressed);
    await comeBack();
    await until(async () => (await one.admin.exists(`{comfyui:job:${job.promptId}}:workflow`)) === 1);
    letJobsGo();
    expect(await job.end).toMatchObject({ status: 'completed' });
  });

  test('a job that was never stored is another instance’s after its own closes', async () => {
    await kill();
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(4));
    await job.where(progressed);
    await comeBack();
    const b = instance();
    await until(async () => (await stored(job.promptId)) !== undefined);
    await a.pipeline.close();
    await takenUp(b.pipeline, job.promptId);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed' });
    expect(one.comfy.executions.get(job.promptId)).toBe(1);
  });
});
