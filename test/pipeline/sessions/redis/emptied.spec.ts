import { lastValueFrom, toArray } from 'rxjs';
import { KeyReused } from '../../../../pipeline/api';
import { StoreUnavailable } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { leaseKey } from '../../../../sinks/redis/leases/redis-leases';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { until } from '../../../support/until';
import { lasting, onOneRedis, progressed, short } from '../../../support/pipeline/one-redis';

const one = onOneRedis();

/** It came back without what it had. */
const restarted = async (): Promise<void> => {
  await one.redis.kill();
  await one.redis.start();
};
/** Nobody's connection was lost. */
const flushed = async (): Promise<void> => {
  await one.admin.flushall();
};

test.each([
  ['came back empty', restarted],
  ['was emptied', flushed],
])('[R12] jobs that do not change are in the store again soon after Redis %s', async (_how, empty) => {
  one.holdJobs();
  const before = { prompt: lasting(3), client_id: 'stranger' };
  await fetch(`${one.comfy.url}/prompt`, { method: 'POST', body: JSON.stringify(before) });
  const a = one.instance({ clock: hurriedClock(4) });
  const b = one.instance();
  const waiting = await a.run(lasting(1));
  await waiting.where(({ queuePosition }) => queuePosition !== undefined);
  const reported = await a.pipeline.open({ type: 'lora_training', userId: 'ada', reported: { steps: 100 } });
  const ids = [waiting.promptId, reported.promptId];
  const areStored = async (): Promise<boolean> =>
    (await Promise.all(ids.map((promptId) => one.stored(promptId)))).every((state) => state !== undefined);
  await until(areStored);
  await empty();
  await until(areStored);
  await until(() => b.pipeline.storeHealthy());
  expect((await b.pipeline.list()).totals).toMatchObject({ queued: 2 });
  expect(await b.pipeline.get(waiting.promptId)).toMatchObject({ status: 'queued' });
  const report = { count: 2, value: 20, max: 100 };
  expect(await b.pipeline.report(reported.promptId, report)).toMatchObject({ promptId: reported.promptId });
  one.letJobsGo();
  expect(await waiting.end).toMatchObject({ status: 'completed' });
});

test('[R12] a job is in all lists again soon after a failover that lost them and not its state: a successor finds it there', async () => {
  one.holdJobs();
  const a = one.instance({ clock: hurriedClock(4) });
  const job = await a.run(lasting(1));
  const { clientId = '' } = await job.where(progressed);
  const lists = [`jobstream:watched:{${clientId}}`, 'jobstream:jobs:{@}:processing', 'jobstream:jobs:{ada}:processing'];
  const isIn = async (key: string): Promise<boolean> => (await one.admin.zscore(key, job.promptId)) !== null;
  const isListed = async (): Promise<boolean> => (await Promise.all(lists.map(isIn))).every((there) => there);
  await until(isListed);
  await one.admin.del(lists);
  await one.admin.call('CLIENT', 'KILL', 'TYPE', 'normal');
  await until(isListed);
  one.letJobsGo();
  expect(await job.end).toMatchObject({ status: 'completed' });
});

test('[R12] while Redis is full, a job that another instance holds is not called unknown', async () => {
  const [a, b] = [one.instance(), one.instance()];
  await one.admin.config('SET', 'maxmemory', '1');
  const job = await a.run(short());
  await expect(b.pipeline.get(job.promptId)).rejects.toThrow(StoreUnavailable);
  // Nor while it is written, after there is room again.
  const answers: unknown[] = [];
  const isOver = async (): Promise<boolean> => {
    const answer = await b.pipeline.get(job.promptId).catch((error: unknown) => error);
    answers.push(answer);
    return (answer as Partial<JobState> | undefined)?.status === 'completed';
  };
  await one.admin.config('SET', 'maxmemory', '0');
  await until(isOver);
  expect(answers).not.toContain(undefined);
});

test('[R1] [R12] while Redis is full, a job that has ended here is no live one, whatever Redis has of it', async () => {
  one.holdJobs();
  const a = one.instance();
  const job = await a.run(lasting(1));
  await job.where(progressed);
  await until(async () => (await one.stored(job.promptId))?.status === 'processing');
  await one.admin.config('SET', 'maxmemory', '1');
  one.letJobsGo();
  expect(await job.end).toMatchObject({ status: 'completed' });
  const live = await lastValueFrom(a.pipeline.live().pipe(toArray()));
  const [running, ended] = await Promise.all([
    a.pipeline.list({ status: ['queued', 'processing'] }),
    a.pipeline.list({ status: ['completed'] }),
  ]);
  await one.admin.config('SET', 'maxmemory', '0');
  expect([live, running.jobs]).toEqual([[], []]);
  expect(ended.jobs).toMatchObject([{ promptId: job.promptId, progress: 100 }]);
  await until(async () => (await one.stored(job.promptId))?.status === 'completed');
});

test('[R12] a key stands for the same job at another instance, too, as soon as a Redis that came back empty is served', async () => {
  one.holdJobs();
  const [a, b] = [one.instance(), one.instance()];
  const once = { key: 'ada:1', body: 'digest' };
  const request = { type: 'image_generation', userId: 'ada', workflow: lasting(3), once } as const;
  const first = await a.run(request.workflow, { once });
  await first.where(progressed);
  await until(() => b.pipeline.storeHealthy());
  await restarted();
  let again: JobState | undefined;
  await until(async () => {
    again = await b.pipeline.submit(request).catch((error: unknown) => {
      expect(error).toBeInstanceOf(StoreUnavailable);
      return undefined;
    });
    return again !== undefined;
  });
  expect(again?.promptId).toBe(first.promptId);
  one.letJobsGo();
  expect(await first.end).toMatchObject({ status: 'completed' });
  expect(one.comfy.posted).toHaveLength(1);
});

test('[R12] a key stands for the same job where Redis was emptied meanwhile: here at once, elsewhere soon', async () => {
  one.holdJobs();
  const [a, b] = [one.instance({ clock: hurriedClock(4) }), one.instance()];
  const workflow = lasting(3);
  const once = { key: 'ada:1', body: 'digest' };
  const first = await a.run(workflow, { once });
  await first.where(progressed);
  await flushed();
  expect((await a.run(workflow, { once })).promptId).toBe(first.promptId);
  await flushed();
  await until(async () => (await one.admin.exists('jobstream:reserved:ada:1')) === 1);
  expect(await b.pipeline.submit({ type: 'image_generation', userId: 'ada', workflow, once })).toMatchObject({
    promptId: first.promptId,
  });
  await expect(a.run(workflow, { once: { ...once, body: 'another' } })).rejects.toThrow(KeyReused);
  one.letJobsGo();
  expect(await first.end).toMatchObject({ status: 'completed' });
  expect(one.comfy.posted).toHaveLength(1);
});

test('[R1] [R12] so does the key of a job that had ended by then: it is not run once more', async () => {
  const [a, b] = [one.instance({ clock: hurriedClock(4) }), one.instance()];
  const request = {
    type: 'image_generation',
    userId: 'ada',
    workflow: short(),
    once: { key: 'ada:1', body: 'digest' },
  };
  const first = await a.run(short(), request);
  const end = await first.end;
  await until(async () => (await one.stored(first.promptId))?.status === 'completed');
  await flushed();
  expect(await a.pipeline.submit(request)).toEqual(end);
  await flushed();
  await until(async () => (await one.admin.exists('jobstream:reserved:ada:1')) === 1);
  expect(await b.pipeline.submit(request)).toEqual(end);
  expect(one.comfy.posted).toHaveLength(1);
});

test('[R12] a job that may be run again is, though Redis was emptied while it ran', async () => {
  one.holdJobs();
  const a = one.instance({ clock: hurriedClock(4) });
  const job = await a.run(lasting(1), { onLost: 'resubmit' });
  await job.where(progressed);
  const isKept = async (): Promise<boolean> => (await one.admin.exists(`{comfyui:job:${job.promptId}}:workflow`)) === 1;
  await until(isKept);
  await flushed();
  await until(isKept);
  await one.comfy.kill();
  one.letJobsGo();
  await one.comfy.start();
  expect(await job.end).toMatchObject({ status: 'completed', attempt: 2 });
});

test('[R12] a job that Redis lost with its lease is in the store again though another instance took the session at once', async () => {
  one.holdJobs();
  const a = one.instance();
  const job = await a.run(lasting(1), { onLost: 'resubmit' });
  const { clientId = '' } = await job.where(progressed);
  const [state, beside] = [`comfyui:job:${job.promptId}`, `{comfyui:job:${job.promptId}}`];
  const isKept = async (): Promise<boolean> => (await one.admin.exists(state, `${beside}:workflow`)) === 2;
  // Then it says nothing until it is let go. On a slow machine the last frame may go with a socket that was replaced.
  await until(async () => ((await one.stored(job.promptId))?.node?.value ?? 0) >= 14);
  await until(isKept);
  // It dies before it has taken anything up, though not before its lease was seen.
  const another = JSON.stringify({ instance: 'another' });
  await one.admin
    .multi()
    .set(leaseKey(clientId), another)
    .del(state)
    .del(`${beside}:fence`, `${beside}:workflow`)
    .exec();
  await until(isKept);
  // Not before: on a slow machine it may have taken the job over, and who takes over keeps no workflow to store again.
  const b = one.instance();
  await one.admin.del(leaseKey(clientId));
  one.letJobsGo();
  expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed', attempt: 1 });
  expect(one.comfy.posted).toHaveLength(1);
});
