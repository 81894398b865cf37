import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import { createPipeline, UnknownJob, UnknownServer } from '../pipeline';
import { redisStore } from '../sinks/redis-store';
import type { JobState } from '../streams/job-state';
import { defaultTiming } from '../streams/timing';
import type { ComfyUIStandIn } from './support/comfyui/stand-in';
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
} from './support/comfyui/workflows';
import { get, post, type Queue } from './support/comfyui-client';
import { inWorld, inWorlds, stateWhere, type World, type WorldOptions } from './system/world';

jest.setTimeout(60_000);

/** Some 2 s, a step each 50 ms. */
const long = (count = 40) => steps({ steps: count, secondsPerStep: 0.1 });
const short = () => steps({ steps: 2, secondsPerStep: 0.02 });

/** Resolves as soon as it is true. */
async function until(isTrue: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${isTrue.toString()}`);
    await sleep(10);
  }
}

/** The id under which the server has the workflow that is `n`th in its hands: running first, then in the order of the queue. */
async function idOn(server: ComfyUIStandIn, n: number): Promise<string> {
  const { queue_running, queue_pending } = await get<Queue>(server, '/queue');
  return String([...queue_running, ...queue_pending][n]?.[1]);
}

const refuseSockets = { httpStatus: 502, body: '<html>', routes: ['/ws'] };
const progressed = (state: JobState): boolean => state.progress > 10;
/** Whether frames have told of steps after that state; a progress may also be a guess. */
const steppedPast =
  ({ node }: JobState, by = 2) =>
  (state: JobState): boolean =>
    state.via === 'websocket' && (state.node?.value ?? 0) >= (node?.value ?? 0) + by;
const files = ({ outputs = [] }: JobState) => outputs.map(({ nodeId, kind, type }) => [nodeId, kind, type]);

type Scenario = (world: World) => Promise<void>;
/** On all versions of ComfyUI, side by side. */
const onEach = (options: WorldOptions, scenario: Scenario) => () => inWorlds(options, scenario);
const onOne = (options: WorldOptions, scenario: Scenario) => () => inWorld('0.33.0', options, scenario);
/** With the timing of every day. */
const inEarnest = (options: WorldOptions, scenario: Scenario) => onOne({ timing: defaultTiming, ...options }, scenario);

test('a pipeline needs a server', () => {
  const store = redisStore({ url: 'redis://127.0.0.1:1', report: () => undefined });
  expect(() => createPipeline({ servers: [], store })).toThrow(TypeError);
  store.close().subscribe();
});

// First, since they take longest.
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
      expect(job.states.length).toBeGreaterThan(5);
      expect(await pipeline.get(job.promptId)).toEqual(end);
      expect(await lastValueFrom(pipeline.watch(job.promptId))).toEqual(end);
      expect(comfy.executions.size).toBe(1);
      expect(reports.length).toBeGreaterThan(0);
    },
  );
});

test.concurrent(
  '[R4] in earnest, a job that is nowhere is lost after ten seconds, not before',
  inEarnest({}, async ({ run, comfy }) => {
    const [running, waiting] = [await run(long(15)), await run(short())];
    await until(async () => comfy.deleteFromQueue(await idOn(comfy, 1)));
    await running.end;
    const endedAt = Date.now();
    const lost = await waiting.end;
    expect(lost).toMatchObject({ failure: { kind: 'lost' } });
    expect(lost.finishedAt! - endedAt).toBeGreaterThan(10_000);
    expect(lost.finishedAt! - endedAt).toBeLessThan(14_000);
  }),
);

test.concurrent(
  '[R7] in earnest, a socket in the stale-socket trap is replaced after five seconds',
  inEarnest({ proxied: true }, async ({ run, comfy, proxy }) => {
    const job = await run(long(280));
    await job.where(progressed);
    proxy.cutClients();
    await until(() => comfy.sockets() === 2);
    const before = job.states.at(-1)!;
    await job.where(steppedPast(before));
    proxy.releaseServers();
    await until(() => comfy.sockets() === 1);
    const trappedAt = Date.now();
    const healed = await job.where(steppedPast(job.states.at(-1)!, 4));
    expect(healed.updatedAt - trappedAt).toBeLessThan(7_000);
    expect(await job.end).toMatchObject({ status: 'completed' });
  }),
);

test.concurrent(
  '[R8] in earnest, polling takes over within seconds, and asks every three',
  inEarnest({}, async ({ run, comfy, questions }) => {
    const job = await run(long(160));
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    const droppedAt = Date.now();
    const polled = await job.where(({ via }) => via === 'polling');
    expect(polled.updatedAt - droppedAt).toBeLessThan(4_000);
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling' });
    expect(questions().length).toBeLessThan(8);
  }),
);

test.concurrent(
  '[R8] in earnest, a healthy job of ten seconds costs no question',
  inEarnest({}, async ({ run, questions, comfy }) => {
    expect(await (await run(long(200))).end).toMatchObject({ status: 'completed' });
    expect([questions(), comfy.requests.length]).toEqual([[], 1]);
  }),
);

test.concurrent(
  '[R2] [R3] a job with two outputs: progress, then both, without a question asked',
  onEach({}, async ({ comfy, run, questions, pipeline }) => {
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
    expect(new Set(job.states.map(({ progress }) => progress)).size).toBeGreaterThan(5);
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
  onEach({}, async ({ run, questions }) => {
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
  onEach({ comfyUI: { timeScale: 0.3 } }, async ({ run, questions }) => {
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
  'a socket that is gone for a second, and comes back',
  onEach({}, async ({ run, comfy, questions }) => {
    const job = await run(long(60));
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    await until(() => comfy.sockets() === 0);
    await sleep(1_000);
    comfy.faults.status = undefined;
    await until(() => comfy.sockets() === 1);
    await job.where(steppedPast(job.states.at(-1)!));
    expect(await job.end).toMatchObject({ status: 'completed', via: 'websocket' });
    expect(files(await job.end)).toEqual([['4', 'images', 'output']]);
    // R8: a handful of polls in that second, one look after it (R6), one for the outputs.
    expect(questions().length).toBeLessThan(14);
  }),
);

test.concurrent(
  '[R8] a socket that never comes back: polling sees the end',
  onEach({}, async ({ run, comfy, questions }) => {
    const job = await run(long());
    await job.where(progressed);
    comfy.faults.status = refuseSockets;
    comfy.dropSockets('abrupt');
    expect(await job.where(({ via }) => via === 'polling')).toMatchObject({ status: 'processing' });
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling', progress: 100 });
    expect(files(await job.end)).toEqual([['4', 'images', 'output']]);
    expect(questions().every((question) => /^GET (\/api\/jobs|\/queue$|\/history\/.)/.test(question))).toBe(true);
  }),
);

test.concurrent(
  '[R8] a socket that was never there: from queued to the end by polling',
  onEach({ comfyUI: { timeScale: 0.5, faults: { status: refuseSockets } } }, async ({ run, pipeline }) => {
    const job = await run(long(20));
    expect(pipeline.servers()).toMatchObject([{ healthy: true, via: 'polling' }]);
    await job.where(({ status }) => status === 'processing');
    expect(await job.end).toMatchObject({ status: 'completed', via: 'polling' });
  }),
);

test.concurrent(
  '[R7] a socket in the stale-socket trap: the old one’s end evicts the new one, which is replaced',
  onEach({ proxied: true }, async ({ run, comfy, proxy }) => {
    const job = await run(long(120));
    await job.where(progressed);
    proxy.cutClients();
    await until(() => comfy.sockets() === 2);
    const before = job.states.at(-1)!;
    await job.where(steppedPast(before));
    proxy.releaseServers();
    await until(() => comfy.sockets() === 1);
    // In the trap the new one hears nothing: what comes now comes over a third.
    expect(await job.where(steppedPast(job.states.at(-1)!, 4))).toMatchObject({ status: 'processing' });
    expect(await job.end).toMatchObject({ status: 'completed', via: 'websocket' });
  }),
);

test.concurrent(
  '[R7] a socket that is open and deaf from the start',
  onEach({ comfyUI: { faults: { deaf: true } } }, async ({ run, comfy }) => {
    const job = await run(long(80));
    expect(await job.where(({ status }) => status === 'processing')).toMatchObject({ progress: 0 });
    comfy.faults.deaf = false;
    await job.where(progressed);
    expect(await job.end).toMatchObject({ status: 'completed', via: 'websocket' });
  }),
);

test.concurrent(
  '[R3] a socket that was gone between two outputs: both come from history, once it is written',
  onEach({ comfyUI: { faults: { historyDelayMs: 700 } } }, async ({ run, comfy, questions, reports }) => {
    const job = await run(twoOutputs());
    await job.where(({ node }) => node?.id === '5');
    comfy.dropSockets('abrupt');
    const end = await job.end;
    expect(end.status).toBe('completed');
    expect(files(end)).toEqual([
      ['4', 'images', 'output'],
      ['6', 'images', 'temp'],
    ]);
    expect(questions().some((question) => /^GET (\/history|\/api\/jobs)\/[^?]+$/.test(question))).toBe(true);
    expect(reports.map(([where]) => where)).toEqual(['socket']);
  }),
);

test.concurrent(
  '[R9] a socket with frames that cannot be read in between',
  onEach({ comfyUI: { faults: { malformedFrames: true } } }, async ({ run, reports }) => {
    const job = await run(twoOutputs());
    const end = await job.end;
    expect(files(end)).toEqual([
      ['4', 'images', 'output'],
      ['6', 'images', 'temp'],
    ]);
    expect(new Set(job.states.map(({ progress }) => progress)).size).toBeGreaterThan(5);
    expect(reports.length).toBeGreaterThan(5);
    expect(new Set(reports.map(([where]) => where))).toEqual(new Set(['frame']));
  }),
);

test.concurrent(
  '[R4] a server that was restarted has lost the job: never completed, lost after three good looks',
  onEach({}, async ({ run, comfy }) => {
    const [running, waiting] = [await run(long(200)), await run(short())];
    await running.where(progressed);
    await comfy.restart();
    for (const job of [running, waiting]) {
      expect(await job.end).toMatchObject({ status: 'failed', failure: { kind: 'lost', retryable: true } });
      expect(job.states.map(({ status }) => status)).not.toContain('completed');
    }
  }),
);

test.concurrent(
  '[R4] a server behind a proxy’s error page for longer than it takes to be lost: the job ends as it did',
  onEach({}, async ({ run, comfy, reports }) => {
    const [ended, going] = [await run(long(20)), await run(long(60))];
    await ended.where(progressed);
    comfy.faults.status = { httpStatus: 502, body: '<html>Bad Gateway</html>' };
    comfy.dropSockets('abrupt');
    await until(() => comfy.executions.size === 2);
    await until(() => reports.filter(([where]) => where === 'look').length >= 4);
    await sleep(1_200);
    expect([ended.states.at(-1)!.status, going.states.at(-1)!.status]).toEqual(['processing', 'queued']);
    comfy.faults.status = undefined;
    expect(await ended.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
    expect(await going.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
  }),
);

test.concurrent(
  'a server that is busy for longer than a socket may be silent',
  onEach({ comfyUI: { timeScale: 1 }, timing: { quietMs: 500 } }, async ({ run, comfy }) => {
    const job = await run(steps({ steps: 40, secondsPerStep: 0.1 }));
    await job.where(progressed);
    comfy.faults.busy(2);
    expect(await job.end).toMatchObject({ status: 'completed', outputs: [{ nodeId: '4' }] });
  }),
);

test.concurrent(
  '[R8] a server with many jobs in hand is asked once a poll, however many there are',
  onEach({ comfyUI: { faults: { status: refuseSockets } } }, async ({ run, pipeline, questions }) => {
    const jobs = await Promise.all(Array.from({ length: 15 }, () => run(long(2_000))));
    const positions = () => jobs.map(({ states }) => states.at(-1)?.queuePosition ?? 0).sort((a, b) => a - b);
    await until(() => positions().every((position, n) => position === n));
    const before = questions().length;
    await sleep(1_000);
    expect(questions().length - before).toBeLessThanOrEqual(4);
    await Promise.all(jobs.map(({ promptId }) => pipeline.cancel(promptId)));
    for (const job of jobs) expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
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
    const answer = await post(comfy, '/prompt', { prompt: long(40), prompt_id: randomUUID() });
    const { prompt_id } = (await answer.json()) as { prompt_id: string };
    const request = { type: 'lora_training', userId: 'bob' };
    const tracked = await pipeline.track(prompt_id, request);
    expect(tracked).toMatchObject({ promptId: prompt_id, userId: 'bob', type: 'lora_training' });
    expect(tracked.clientId).toBeUndefined();
    const job = follow(prompt_id);
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
    const [running, waiting] = [await run(long(30)), await run(short())];
    await running.where(progressed);
    expect(await waiting.where(({ queuePosition }) => queuePosition === 1)).toMatchObject({ status: 'queued' });
    await pipeline.cancel(waiting.promptId);
    expect(await waiting.end).toMatchObject(cancelled);
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
  'a server that ended and came back with its queue: what ran is lost, what waited runs, what comes meanwhile waits',
  onEach({}, async ({ run, comfy, pipeline }) => {
    const [running, waiting] = [await run(long(200)), await run(twoOutputs())];
    await running.where(progressed);
    await comfy.kill();
    const workflow = short();
    const meanwhile = pipeline.submit({ type: 'image_generation', userId: 'ada', workflow });
    await stateWhere(pipeline, ({ promptId }) => promptId !== running.promptId && promptId !== waiting.promptId);
    await comfy.start();
    expect(await running.end).toMatchObject({ status: 'failed', failure: { kind: 'lost' } });
    expect(files(await waiting.end)).toHaveLength(2);
    expect(await lastValueFrom(pipeline.watch((await meanwhile).promptId))).toMatchObject({ status: 'completed' });
    expect(comfy.executions.size).toBe(3);
  }),
);

test.concurrent(
  '[R8] thirty jobs at once run once each, and cost a question or two',
  onEach({ comfyUI: { timeScale: 0.05 } }, async ({ run, comfy, questions }) => {
    const jobs = await Promise.all(Array.from({ length: 30 }, () => run(steps({ steps: 2, secondsPerStep: 0.1 }))));
    const ends = await Promise.all(jobs.map(({ end }) => end));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['completed']));
    expect(ends.every((end) => files(end).length === 1)).toBe(true);
    expect([comfy.executions.size, new Set(ends.map(({ promptId }) => promptId)).size]).toEqual([30, 30]);
    expect(questions().length).toBeLessThan(10);
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
    const { promptId, end } = await run(long(10));
    const stored = await firstValueFrom(store.get(promptId));
    expect(stored).toMatchObject({ promptId, serverUrl: comfy.url, userId: 'ada' });
    expect(stored!.runId ?? stored!.promptId).toBe(await idOn(comfy, 0));
    await end;
  }),
);

test.concurrent(
  'a watcher who comes late gets the present state, and after the end the last one',
  onOne({}, async ({ run, pipeline }) => {
    const job = await run(long(20));
    await job.where(progressed);
    const late = lastValueFrom(pipeline.watch(job.promptId).pipe(toArray()));
    const present = await firstValueFrom(pipeline.watch(job.promptId));
    expect(present.progress).toBeGreaterThan(10);
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
  onOne({}, async ({ run, pipeline }) => {
    const [first, second] = [await run(long(30)), await run(short(), { userId: 'bob' })];
    await first.where(progressed);
    const { jobs } = await pipeline.list({ userId: 'ada' });
    expect(jobs).toMatchObject([{ promptId: first.promptId, status: 'processing' }]);
    expect((await pipeline.list({ status: 'queued' })).jobs).toMatchObject([{ promptId: second.promptId }]);
    await second.end;
    expect((await pipeline.list()).jobs).toHaveLength(2);
  }),
);
