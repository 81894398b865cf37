import { defaultTiming } from '../../../../streams/job/timing';
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
} from '../../../support/comfyui/workflows';
import { files, onEach } from '../../../system/outages/scenarios';

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
