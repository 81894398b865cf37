import { randomUUID } from 'node:crypto';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { UnknownJob, UnknownServer } from '../../../../pipeline/api';
import { long, onOne, progressed, short } from '../../../system/outages/scenarios';

test.concurrent(
  'a watcher who comes late gets the present state, and after the end the last one',
  onOne({}, async ({ run, pipeline, comfy }) => {
    comfy.faults.mostSteps = 10;
    const job = await run(long(20));
    await job.where(progressed);
    const late = lastValueFrom(pipeline.watch(job.promptId).pipe(toArray()));
    const present = await firstValueFrom(pipeline.watch(job.promptId));
    expect(present.progress).toBeGreaterThan(10);
    comfy.faults.mostSteps = Infinity;
    const end = await job.end;
    expect((await late).at(-1)).toEqual(end);
    expect(await lastValueFrom(pipeline.watch(job.promptId).pipe(toArray()))).toEqual([end]);
    expect(await pipeline.get(job.promptId)).toEqual(end);
  }),
);

test.concurrent(
  'a watcher who leaves early leaves the job alone',
  onOne({}, async ({ run, pipeline }) => {
    const job = await run(long(10));
    await lastValueFrom(pipeline.watch(job.promptId).pipe(take(1)));
    expect(await job.end).toMatchObject({ status: 'completed' });
  }),
);

test.concurrent(
  'a watcher of no job, on no server',
  onOne({}, async ({ pipeline }) => {
    const id = randomUUID();
    const request = { type: 'x', userId: 'ada' };
    await expect(lastValueFrom(pipeline.watch(id))).rejects.toThrow(UnknownJob);
    await expect(pipeline.track(id, request)).rejects.toThrow(UnknownJob);
    expect([await pipeline.get(id), await pipeline.cancel(id), await pipeline.output(id, 0)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const server = 'http://127.0.0.1:1';
    const elsewhere = pipeline.submit({ ...request, server, workflow: short() });
    await expect(elsewhere).rejects.toThrow(UnknownServer);
  }),
);

test.concurrent(
  'a watcher of a list sees live jobs as they are',
  onOne({}, async ({ run, pipeline, comfy }) => {
    comfy.faults.mostSteps = 15;
    const [first, second] = [await run(long(30)), await run(short(), { userId: 'bob' })];
    await first.where(progressed);
    const { jobs } = await pipeline.list({ userId: 'ada' });
    expect(jobs).toMatchObject([{ promptId: first.promptId, status: 'processing' }]);
    expect((await pipeline.list({ status: ['queued'] })).jobs).toMatchObject([{ promptId: second.promptId }]);
    comfy.faults.mostSteps = Infinity;
    await second.end;
    expect((await pipeline.list()).jobs).toHaveLength(2);
  }),
);
