import { randomUUID } from 'node:crypto';
import { nodeError, twoOutputs } from '../../../support/comfyui/workflows';
import { post } from '../../../support/comfyui/client/comfyui-client';
import { idOn, long, onEach, progressed, short, until } from '../../../system/outages/scenarios';
import { inWorld } from '../../../system/outages/world';

test.concurrent(
  'what others do to a job: it is interrupted',
  onEach({}, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 15;
    const job = await run(long());
    await job.where(progressed);
    await post(comfy, '/interrupt', { prompt_id: await idOn(comfy, 0) });
    expect(await job.end).toMatchObject({ status: 'failed', failure: { kind: 'interrupted', nodeId: '2' } });
  }),
);

test.concurrent(
  '[R4] what others do to a job: it is deleted while it waits, without a word: lost, in its time',
  onEach({}, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 15;
    const [running, waiting] = [await run(long()), await run(short())];
    await until(async () => comfy.deleteFromQueue(await idOn(comfy, 1)));
    const deletedAt = Date.now();
    const end = await waiting.end;
    expect(end).toMatchObject({ status: 'failed', failure: { kind: 'lost' } });
    expect(end.finishedAt! - deletedAt).toBeGreaterThanOrEqual(1_000);
    comfy.faults.mostSteps = Infinity;
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
