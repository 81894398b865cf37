import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { lasting, onOneRedis, progressed } from '../../../support/pipeline/one-redis';
import { until } from '../../../support/until';

const one = onOneRedis();

test('[R1] a job that ended a minute before Redis came back with an older dump has ended, and is not run again', async () => {
  one.holdJobs();
  const clock = hurriedClock(20);
  const a = one.instance({ clock });
  const job = await a.run(lasting(1), { onLost: 'resubmit' });
  await job.where(progressed);
  await until(async () => (await one.stored(job.promptId))?.status === 'processing');
  await one.admin.save();
  one.letJobsGo();
  const end = await job.end;
  expect(end).toMatchObject({ status: 'completed', attempt: 1 });
  await until(() => clock.now() > end.updatedAt + 60_000);
  await one.comfy.kill();
  await one.comfy.start();
  await one.redis.kill();
  await one.redis.start();
  await until(async () => (await one.stored(job.promptId))?.status === 'completed');
  expect(await one.stored(job.promptId)).toEqual(end);
  expect(await a.pipeline.get(job.promptId)).toEqual(end);
  expect(one.comfy.posted).toHaveLength(1);
});
