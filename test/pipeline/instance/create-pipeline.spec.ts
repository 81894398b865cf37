import { randomUUID } from 'node:crypto';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { UnknownJob, UnknownServer } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../sinks/redis/redis-store';
import { defaultTiming } from '../../../streams/job/timing';
import {
  image,
  lazy,
  loop,
  nodeError,
  outOfMemory,
  parallel,
  partlyRejected,
  rejected,
  steps,
  twoOutputs,
} from '../../support/comfyui/workflows';
import { post } from '../../support/comfyui/client/comfyui-client';
import { files, idOn, long, onEach, onOne, progressed, short, until } from '../../system/outages/scenarios';
import { inWorld, stateWhere } from '../../system/outages/world';

test('a pipeline needs a server', () => {
  const store = redisStore({ url: 'redis://127.0.0.1:1', report: () => undefined });
  expect(() => createPipeline({ servers: [], store })).toThrow(TypeError);
  const [one, other] = ['http://ada:secret@comfy:8188', 'http://comfy:8188/'];
  expect(() => createPipeline({ servers: [one, other], store })).toThrow(
    new TypeError('two servers have the URL http://comfy:8188; give each once'),
  );
  const named = [{ url: 'http://a', name: 'studio' }, { url: 'http://b' }, { url: 'http://c', name: 'studio' }];
  expect(() => createPipeline({ servers: named, store })).toThrow('two servers have the name studio; give each once');
  store.close().subscribe();
});

test.concurrent('[R12] the store is down: jobs go on, watchers see everything, the end too', () => {
  const reports: string[] = [];
  const report = (where: string): void => void reports.push(where);
  return inWorld(
    '0.33.0',
    { pipeline: { store: redisStore({ url: 'redis://127.0.0.1:1', report }), report } },
    async ({ run, pipeline, comfy }) => {
      expect(await pipeline.storeHealthy()).toBe(false);
      const job = await run(twoOutputs());
      const end = await job.end;
      expect(end).toMatchObject({ status: 'completed', progress: 100 });
      expect(job.states.some(({ progress }) => progress > 0 && progress < 100)).toBe(true);
      expect(await pipeline.get(job.promptId)).toEqual(end);
      expect(await lastValueFrom(pipeline.watch(job.promptId))).toEqual(end);
      expect(comfy.executions.size).toBe(1);
      expect(reports.length).toBeGreaterThan(0);
    },
  );
});

test.concurrent(
  '[R2] [R3] a job with two outputs: progress, then both, without a question asked',
  onEach({ timing: defaultTiming }, async ({ comfy, run, questions, pipeline }) => {
    const job = await run(twoOutputs(), { characterId: 'c', metadata: { a: 1 } });
    const end = await job.end;
    expect(end).toMatchObject({
      status: 'completed',
      progress: 100,
      phase: 'settled',
      via: 'websocket',
      type: 'image_generation',
      userId: 'ada',
      characterId: 'c',
      metadata: { a: 1 },
      serverUrl: comfy.url,
    });
    expect(files(end)).toEqual([
      ['4', 'images', 'output'],
      ['6', 'images', 'temp'],
    ]);
    expect([end.node, end.queuePosition, end.etaMs]).toEqual([undefined, undefined, undefined]);
    expect(end.finishedAt).toBeGreaterThanOrEqual(end.startedAt);
    expect(job.states.map(({ status }) => status)).toContain('processing');
    expect(job.states.some(({ progress }) => progress > 0 && progress < 100)).toBe(true);
    expect(job.states.find(({ node }) => node?.id === '2' && node.value > 0)?.node).toMatchObject({
      type: 'StepsWithProgress',
      max: 20,
    });
    // R8: at most three; in fact none.
    expect(questions()).toEqual([]);
    expect(comfy.executions.size).toBe(1);
    const output = await pipeline.output(job.promptId, 0);
    const bytes: Buffer[] = [];
    for await (const chunk of output!.body) bytes.push(chunk as Buffer);
    expect([output!.contentType, Buffer.concat(bytes).subarray(1, 4).toString()]).toEqual(['image/png', 'PNG']);
    expect(await pipeline.output(job.promptId, 2)).toBeUndefined();
  }),
);

test.concurrent(
  'a job with previews, which name their job and node',
  onEach({}, async ({ run, previews }) => {
    const job = await run(twoOutputs());
    await job.end;
    expect(previews).toHaveLength(4);
    for (const { promptId, nodeId, mimeType, image } of previews) {
      expect([promptId, nodeId, mimeType]).toEqual([job.promptId, '2', 'image/jpeg']);
      expect(image[0]).toBe(0xff);
    }
  }),
);

test.concurrent(
  'a job that breaks in a node, and one for want of memory',
  onEach({ timing: defaultTiming }, async ({ run, questions }) => {
    const broken = await (await run(nodeError())).end;
    expect(broken).toMatchObject({
      status: 'failed',
      failure: { kind: 'node_error', nodeId: '2', nodeType: 'TestSyncError', retryable: false },
    });
    const starved = await (await run(outOfMemory())).end;
    expect(starved).toMatchObject({
      status: 'failed',
      failure: { kind: 'out_of_memory', nodeId: '2', retryable: true },
    });
    for (const { failure } of [broken, starved]) expect(failure!.message).not.toMatch(/[/\\]|Traceback/);
    expect(questions()).toEqual([]);
  }),
);

test.concurrent(
  'a job that is rejected at once, readably, by node',
  onEach({}, async ({ comfy, pipeline }) => {
    const job = await pipeline.submit({ type: 'face_swap', userId: 'ada', workflow: rejected() });
    expect(job).toMatchObject({ status: 'failed', progress: 0, failure: { kind: 'rejected', retryable: false } });
    expect(job.nodeErrors?.map(({ nodeId }) => nodeId)).toEqual(expect.arrayContaining(['1', '5']));
    expect(await pipeline.get(job.promptId)).toEqual(job);
    expect([comfy.requests.length, comfy.executions.size]).toEqual([1, 0]);
  }),
);

test.concurrent(
  'a job of which a part is refused runs, and says so',
  onEach({ comfyUI: { timeScale: 0.1 } }, async ({ run }) => {
    const end = await (await run(partlyRejected())).end;
    expect(end).toMatchObject({ status: 'completed', nodeErrors: [{ nodeId: '5' }] });
    expect(files(end)).toEqual([['4', 'images', 'output']]);
  }),
);

test.concurrent(
  'a job that is wholly cached ends with its outputs',
  onEach({ comfyUI: { timeScale: 0.1 } }, async ({ run, comfy }) => {
    const workflow = steps({ seed: 7 });
    const first = await (await run(workflow)).end;
    const again = await (await run(workflow)).end;
    expect(again).toMatchObject({ status: 'completed', progress: 100 });
    expect(files(again)).toEqual(files(first));
    expect(comfy.executions.size).toBe(2);
  }),
);

test.concurrent(
  '[R2] a job with a loop, a lazy branch, nodes side by side, a model',
  onEach({ comfyUI: { timeScale: 0.3 }, timing: defaultTiming }, async ({ run, questions }) => {
    for (const [workflow, node] of [
      [loop(4), '4'],
      [lazy(), '4'],
      [parallel(), '4'],
      [image(), '9'],
    ] as const) {
      const end = await (await run(workflow)).end;
      expect([end.status, files(end)[0]?.[0]]).toEqual(['completed', node]);
    }
    expect(questions()).toEqual([]);
  }),
);

test.concurrent(
  'what others do to a job: it is interrupted',
  onEach({}, async ({ run, comfy }) => {
    const job = await run(long(200));
    await job.where(progressed);
    await post(comfy, '/interrupt', { prompt_id: await idOn(comfy, 0) });
    expect(await job.end).toMatchObject({ status: 'failed', failure: { kind: 'interrupted', nodeId: '2' } });
  }),
);

test.concurrent(
  '[R4] what others do to a job: it is deleted while it waits, without a word: lost, in its time',
  onEach({}, async ({ run, comfy }) => {
    const [running, waiting] = [await run(long(60)), await run(short())];
    await until(async () => comfy.deleteFromQueue(await idOn(comfy, 1)));
    const deletedAt = Date.now();
    const end = await waiting.end;
    expect(end).toMatchObject({ status: 'failed', failure: { kind: 'lost' } });
    expect(end.finishedAt! - deletedAt).toBeGreaterThanOrEqual(1_000);
    expect(await running.end).toMatchObject({ status: 'completed' });
  }),
);

test.concurrent(
  '[R5] what others do to a job: another pipeline’s jobs on the same server are none of ours, nor ours theirs',
  onEach({ comfyUI: { timeScale: 0.2 } }, async (ours) => {
    await inWorld(ours.version, { pipeline: { servers: [ours.comfy.url] } }, async (theirs) => {
      const seen: string[] = [];
      theirs.pipeline.states$.subscribe(({ promptId }) => seen.push(promptId));
      const [a, b] = [await ours.run(twoOutputs()), await theirs.run(twoOutputs())];
      expect([(await a.end).status, (await b.end).status]).toEqual(['completed', 'completed']);
      expect(seen).toContain(b.promptId);
      expect(seen).not.toContain(a.promptId);
      expect(new Set(theirs.previews.map(({ promptId }) => promptId))).toEqual(new Set([b.promptId]));
    });
  }),
);

test.concurrent(
  'what others do to a job: somebody else’s job, posted without a client, is tracked: progress, and its end',
  onEach({ timing: { pollMs: 300 } }, async ({ comfy, pipeline, follow }) => {
    comfy.faults.mostSteps = 10;
    const answer = await post(comfy, '/prompt', { prompt: long(40), prompt_id: randomUUID() });
    const { prompt_id } = (await answer.json()) as { prompt_id: string };
    const request = { type: 'lora_training', userId: 'bob' };
    const tracked = await pipeline.track(prompt_id, request);
    expect(tracked).toMatchObject({ promptId: prompt_id, userId: 'bob', type: 'lora_training' });
    expect(tracked.clientId).toBeUndefined();
    const job = follow(prompt_id);
    await job.where(({ status }) => status === 'processing');
    comfy.faults.mostSteps = Infinity;
    await job.where(progressed);
    expect(await job.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4', kind: 'images' }] });
    expect(await pipeline.track(prompt_id, { ...request, userId: 'eve' })).toMatchObject({ userId: 'bob' });
  }),
);

test.concurrent(
  'what others do to a job: somebody else’s job, posted with a client of theirs, is tracked to its end',
  onEach({}, async ({ comfy, pipeline, follow }) => {
    const answer = await post(comfy, '/prompt', { prompt: nodeError(), client_id: 'x', prompt_id: randomUUID() });
    const { prompt_id } = (await answer.json()) as { prompt_id: string };
    await pipeline.track(prompt_id, { type: 'face_swap', userId: 'bob' });
    expect(await follow(prompt_id).end).toMatchObject({ status: 'failed', failure: { kind: 'node_error' } });
  }),
);

const cancelled = { status: 'failed', failure: { kind: 'cancelled', retryable: false } };

test.concurrent(
  'cancel stops the job that runs, and not its neighbour',
  onEach({}, async ({ run, pipeline, comfy }) => {
    const [running, waiting] = [await run(long(200)), await run(short())];
    await running.where(progressed);
    await pipeline.cancel(running.promptId);
    expect(await running.end).toMatchObject(cancelled);
    expect(await waiting.end).toMatchObject({ status: 'completed' });
    expect(await pipeline.cancel(waiting.promptId)).toEqual(await waiting.end);
    expect(comfy.executions.size).toBe(2);
  }),
);

test.concurrent(
  'cancel takes the job that waits away, and leaves the one that runs',
  onEach({}, async ({ run, pipeline, comfy }) => {
    comfy.faults.mostSteps = 15;
    const [running, waiting] = [await run(long(30)), await run(short())];
    await running.where(progressed);
    expect(await waiting.where(({ queuePosition }) => queuePosition === 1)).toMatchObject({ status: 'queued' });
    await pipeline.cancel(waiting.promptId);
    expect(await waiting.end).toMatchObject(cancelled);
    comfy.faults.mostSteps = Infinity;
    expect(await running.end).toMatchObject({ status: 'completed' });
    expect(comfy.executions.size).toBe(1);
  }),
);

test.concurrent(
  'cancel of a job that could not be posted yet: it never is',
  onEach({}, async ({ pipeline, comfy }) => {
    await comfy.kill();
    const queued = stateWhere(pipeline, ({ status }) => status === 'queued');
    const submitted = pipeline.submit({ type: 'x', userId: 'ada', workflow: short() });
    const { promptId } = await queued;
    await pipeline.cancel(promptId);
    expect(await submitted).toMatchObject(cancelled);
    await comfy.start();
    expect(comfy.executions.size).toBe(0);
  }),
);

test.concurrent(
  'cancel that nobody answers is asked again until somebody does',
  onEach({}, async ({ run, pipeline, comfy, reports }) => {
    const [running, waiting] = [await run(long(200)), await run(short())];
    await running.where(progressed);
    comfy.faults.status = { httpStatus: 502, body: '<html>', routes: ['/api', '/queue', '/interrupt'] };
    const asked = pipeline.cancel(running.promptId);
    await until(() => reports.filter(([where]) => where === 'cancel').length >= 2);
    comfy.faults.status = undefined;
    await asked;
    expect(await running.end).toMatchObject(cancelled);
    expect(await waiting.end).toMatchObject({ status: 'completed' });
  }),
);

test.concurrent(
  '[R8] thirty jobs at once run once each, and cost a look at the queue now and then, for all together',
  onEach({ comfyUI: { timeScale: 0.05 } }, async ({ run, comfy, questions }) => {
    const jobs = await Promise.all(Array.from({ length: 30 }, () => run(steps({ steps: 2, secondsPerStep: 0.1 }))));
    const ends = await Promise.all(jobs.map(({ end }) => end));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['completed']));
    expect(ends.every((end) => files(end).length === 1)).toBe(true);
    expect([comfy.executions.size, new Set(ends.map(({ promptId }) => promptId)).size]).toEqual([30, 30]);
    // Fewer than there are jobs: their places are looked up together while they wait.
    expect(questions().length).toBeLessThan(30);
  }),
);

test.concurrent(
  '[R11] a job submitted while the store is gone through at the start is no orphan to be taken up',
  async () => {
    const start = onOne({ comfyUI: { timeScale: 0.1 } }, async ({ run }) => {
      const job = await run(short());
      await job.end;
      for (const { epoch, startedAt } of job.states) expect(epoch).toBe(startedAt);
    });
    for (let n = 0; n < 12; n++) await start();
  },
);

test.concurrent(
  '[R12] what submit resolves with is stored by then: all that it takes to find the job again',
  onEach({}, async ({ run, store, comfy }) => {
    comfy.faults.mostSteps = 5;
    const { promptId, end } = await run(long(10));
    const stored = await firstValueFrom(store.get(promptId));
    expect(stored).toMatchObject({ promptId, serverUrl: comfy.url, userId: 'ada' });
    expect(stored!.runId ?? stored!.promptId).toBe(await idOn(comfy, 0));
    comfy.faults.mostSteps = Infinity;
    await end;
  }),
);

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
