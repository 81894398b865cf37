import { lastValueFrom, take, toArray } from 'rxjs';
import { PipelineClosed, TooManyJobs } from '../../../pipeline/api';
import type { JobState } from '../../../streams/job/job-state';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { aStore } from '../../support/pipeline/stores';
import { anInstance, closeAll } from '../../support/pipeline/pipelines';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

const lasting = () => steps({ steps: 200, secondsPerStep: 0.05 });
const short = () => steps({ steps: 4, secondsPerStep: 0.02 });
const request = { type: 'image_generation', userId: 'ada' };

describe('a closed pipeline', () => {
  test('rejects all calls at once, and its end is told without an error', async () => {
    const comfy = await start();
    const { pipeline } = anInstance({ servers: [comfy.url], store: aStore });
    await pipeline.close();
    const calls = [
      () => pipeline.submit({ ...request, workflow: short() }),
      () => pipeline.track('a', request),
      () => pipeline.cancel('a'),
      () => pipeline.get('a'),
      () => pipeline.list(),
      () => pipeline.output('a', 0),
      () => lastValueFrom(pipeline.watch('a')),
      () => lastValueFrom(pipeline.live()),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(PipelineClosed);
    expect(await pipeline.closed).toBeUndefined();
    await pipeline.close();
  });

  test('ends all that was being watched', async () => {
    const comfy = await start({ faults: { mostSteps: 1 } });
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
    const job = await run(lasting());
    await job.where(({ status }) => status === 'processing');
    const ends = [
      lastValueFrom(pipeline.watch(job.promptId).pipe(toArray())),
      lastValueFrom(pipeline.states$.pipe(toArray())),
      lastValueFrom(pipeline.previews(job.promptId).pipe(toArray())),
      lastValueFrom(pipeline.recovered$.pipe(toArray())),
    ];
    await pipeline.close();
    const [watched] = await Promise.all(ends);
    expect(watched?.length).toBeGreaterThan(0);
    expect(await lastValueFrom(pipeline.previews(job.promptId).pipe(toArray()))).toEqual([]);
  });
});

test('previews complete when their job settles, and of one that has, or is none, at once', async () => {
  const comfy = await start();
  const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
  comfy.faults.mostSteps = 1;
  const job = await run(lasting());
  const all = (promptId: string) => lastValueFrom(pipeline.previews(promptId).pipe(toArray()));
  const watched = all(job.promptId);
  await pipeline.cancel(job.promptId);
  await job.end;
  expect(await watched).toEqual(expect.any(Array));
  expect(await all(job.promptId)).toEqual([]);
  expect(await all('no such job')).toEqual([]);
});

test('who asks in the moment in which an end is told is given that end, by every call', async () => {
  const comfy = await start();
  const { pipeline } = anInstance({ servers: [comfy.url], store: aStore });
  const { promptId } = await pipeline.submit({ ...request, workflow: short() });
  const asked = new Promise<readonly unknown[]>((resolve, reject) => {
    const ask = () =>
      Promise.all([
        pipeline.get(promptId),
        lastValueFrom(pipeline.watch(promptId).pipe(take(1))),
        pipeline.list({ status: ['processing'] }).then(({ jobs }) => jobs),
        lastValueFrom(pipeline.live().pipe(toArray())),
      ]);
    pipeline.watch(promptId).subscribe({ complete: () => void ask().then(resolve, reject) });
  });
  const end = { promptId, status: 'completed', progress: 100 };
  expect(await asked).toMatchObject([end, end, [], []]);
});

test('what is called while a change is being told comes after it, for all who listen', async () => {
  const comfy = await start();
  const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
  const [first, second]: [JobState[], JobState[]] = [[], []];
  pipeline.states$.subscribe((state) => {
    first.push(state);
    if (state.status === 'processing') void pipeline.cancel(state.promptId);
  });
  pipeline.states$.subscribe((state) => second.push(state));
  const job = await run(lasting());
  expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
  expect(second.map(({ seq }) => seq)).toEqual(first.map(({ seq }) => seq));
  expect(second.map(({ seq }) => seq)).toEqual([...second.map(({ seq }) => seq)].sort((a, b) => a - b));
});

describe('a job’s time', () => {
  test('is up: it ends as `timed_out`, and its run is stopped', async () => {
    const comfy = await start({ faults: { mostSteps: 1 } });
    const { run } = anInstance({ servers: [comfy.url], store: aStore });
    const job = await run(lasting(), { timeoutMs: 1_000 });
    const end = await job.end;
    expect(end).toMatchObject({ status: 'failed', failure: { kind: 'timed_out' } });
    expect(end.finishedAt! - end.startedAt).toBeGreaterThanOrEqual(1_000);
    await until(async () => {
      const { queue_running } = (await (await fetch(`${comfy.url}/queue`)).json()) as { queue_running: unknown[] };
      return queue_running.length === 0;
    });
  });

  test('is the pipeline’s where it names none; a training has none', async () => {
    const comfy = await start();
    const { pipeline } = anInstance({ servers: [comfy.url], store: aStore, timeoutMs: 60_000 });
    const job = await pipeline.submit({ ...request, workflow: short() });
    expect(job.deadlineAt).toBe(job.startedAt + 60_000);
    const training = await pipeline.submit({ ...request, type: 'lora_training', workflow: short() });
    expect(training.deadlineAt).toBeUndefined();
  });

  test('goes on where another instance takes it up', async () => {
    const comfy = await start({ faults: { mostSteps: 1 } });
    const servers = [comfy.url];
    const store = aStore(undefined, 'kept');
    const one = anInstance({ servers, store: () => store });
    const job = await one.run(lasting(), { timeoutMs: 3_000 });
    await one.pipeline.close();
    const other = anInstance({ servers, store: () => aStore(undefined, 'kept') });
    expect(await other.watch(job.promptId).end).toMatchObject({ failure: { kind: 'timed_out' } });
  });
});

describe('a user who has too much under way', () => {
  test('submits no more until some of it has ended; others do', async () => {
    const comfy = await start();
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore, userLimits: { jobs: 2 } });
    comfy.faults.mostSteps = 1;
    const [job] = [await run(short()), await run(lasting())];
    const more = () => pipeline.submit({ ...request, workflow: short() });
    await expect(more()).rejects.toThrow(TooManyJobs);
    await expect(more()).rejects.toMatchObject({ bound: 'unsettled jobs', most: 2 });
    expect((await pipeline.submit({ ...request, userId: 'bob', workflow: short() })).status).toBe('queued');
    comfy.faults.mostSteps = Infinity;
    await job.end;
    await until(async () => (await more().catch(() => undefined)) !== undefined);
  });

  test('has as many as the limit says, however many are submitted at a time', async () => {
    const comfy = await start();
    comfy.faults.mostSteps = 1;
    const { pipeline } = anInstance({ servers: [comfy.url], store: aStore, userLimits: { jobs: 40 } });
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 40; n++) {
      all.push(pipeline.submit({ ...request, workflow: short() }));
      await new Promise(setImmediate);
    }
    await expect(pipeline.submit({ ...request, workflow: short() })).rejects.toThrow(
      'a user may have 40 unsettled jobs',
    );
    await Promise.all(all);
  });

  test('is told of nodes as well, until a job of many has ended', async () => {
    const comfy = await start();
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore, userLimits: { nodes: 4 } });
    comfy.faults.mostSteps = 1;
    const job = await run(lasting());
    const more = () => pipeline.submit({ ...request, workflow: short() });
    await expect(more()).rejects.toMatchObject({ bound: 'nodes in the workflows of unsettled jobs', most: 4 });
    expect((await pipeline.submit({ ...request, userId: 'bob', workflow: short() })).status).toBe('queued');
    comfy.faults.mostSteps = Infinity;
    await job.end;
    await until(async () => (await more().catch(() => undefined)) !== undefined);
  });

  test('is told of bytes as well, but for an only workflow, and many at once are counted', async () => {
    const comfy = await start();
    comfy.faults.mostSteps = 1;
    const { pipeline } = anInstance({ servers: [comfy.url], store: aStore, userLimits: { jobs: 3, bytes: 2_000 } });
    const big = Object.fromEntries(
      Object.entries(short()).map(([id, node]) => [id, { ...node, _meta: { title: 'x'.repeat(3_000) } }]),
    );
    expect((await pipeline.submit({ ...request, userId: 'bob', workflow: big })).status).not.toBe('failed');
    await pipeline.submit({ ...request, workflow: lasting() });
    await expect(pipeline.submit({ ...request, workflow: big })).rejects.toMatchObject({ most: 2_000 });
    const many = Array.from({ length: 8 }, () => pipeline.submit({ ...request, workflow: short() }));
    const outcomes = await Promise.allSettled(many);
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(3);
  });
});

test('a job cancelled while it waits ends with the look that follows the cancel at once', async () => {
  const comfy = await start({ faults: { mostSteps: 1 } });
  const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore, timing: { soonMs: 60_000 } });
  await (await run(lasting())).where(({ status }) => status === 'processing');
  const job = await run(short());
  await pipeline.cancel(job.promptId);
  expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
});

test('a server that neither keeps a socket nor answers: its jobs say since when, new ones too, until it is back', async () => {
  const comfy = await start();
  const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
  const job = await run(lasting());
  await job.where(({ status }) => status === 'processing');
  await comfy.kill();
  const silent = await job.where(({ silentSince }) => silentSince !== undefined);
  expect(silent).toMatchObject({ via: 'polling' });
  expect(silent.updatedAt - silent.silentSince!).toBeGreaterThanOrEqual(5_000);
  expect(pipeline.servers()).toMatchObject([{ healthy: false, via: 'polling' }]);
  await comfy.start();
  expect((await job.end).silentSince).toBeUndefined();
});
