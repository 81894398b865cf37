import { firstValueFrom } from 'rxjs';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { anInstance, closeAll, expectForward } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';
import { talkingServer } from '../../support/network/talking-server';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

const lasting = () => steps({ steps: 40, secondsPerStep: 0.05 });

describe('on a server that gives runs ids of its own', () => {
  test('a job keeps the id that its caller was told, in every list and to everybody who watches', async () => {
    const comfy = await start({ version: '0.3.30' });
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
    const seen = new Set<string>();
    pipeline.states$.subscribe(({ promptId }) => seen.add(promptId));
    const job = await run(steps({ steps: 4, secondsPerStep: 0.02 }));
    const end = await job.end;
    const [id] = [...comfy.executions.keys()];
    expect(end).toMatchObject({ promptId: job.promptId, runId: id, status: 'completed' });
    expect(id).not.toBe(job.promptId);
    expect([...seen]).toEqual([job.promptId]);
    expect((await pipeline.list()).jobs.map(({ promptId }) => promptId)).toEqual([job.promptId]);
    expectForward(job.states);
    expect((await pipeline.output(job.promptId, 0))?.contentType).toBe('image/png');
  });

  test('a job is cancelled under its own id, waiting or running', async () => {
    const comfy = await start({ version: '0.3.30', faults: { mostSteps: 5 } });
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
    const [running, waiting] = [await run(lasting()), await run(lasting())];
    await running.where(({ status }) => status === 'processing');
    for (const job of [waiting, running]) {
      await pipeline.cancel(job.promptId);
      expect(await job.end).toMatchObject({ failure: { kind: 'cancelled' } });
    }
    expect(comfy.executions.size).toBe(1);
  });

  test('a run that is tracked by that id goes by it, and one of ours is ours', async () => {
    const comfy = await start({ version: '0.3.30', faults: { mostSteps: 5 } });
    const { pipeline, run } = anInstance({ servers: [comfy.url], store: aStore });
    const ours = await run(lasting());
    await ours.where(({ status }) => status === 'processing');
    const [id = ''] = [...comfy.executions.keys()];
    const request = { type: 'image_generation', userId: 'ada' };
    expect((await pipeline.track(id, request)).promptId).toBe(ours.promptId);
    const other = anInstance({ servers: [comfy.url], store: aStore });
    expect(await other.pipeline.track(id, request)).toMatchObject({ promptId: id });
    comfy.faults.mostSteps = Infinity;
    expect(await other.watch(id).end).toMatchObject({ promptId: id, status: 'completed' });
    await ours.end;
  });
});

test('[R13] a server that answers with the id of somebody’s live job gets nothing of it: each job stays its own', async () => {
  const comfy = await start({ faults: { mostSteps: 5 } });
  const victim = { id: '' };
  const hostile = await talkingServer(() => ({ prompt_id: victim.id, number: 1, node_errors: {} }));
  const { pipeline, run, reports } = anInstance({ servers: [comfy.url, hostile.url], store: aStore });
  const job = await run(lasting(), { server: comfy.url });
  victim.id = job.promptId;
  await job.where(({ status }) => status === 'processing');
  const mallory = await run(lasting(), { server: hostile.url, userId: 'mallory' });
  await until(() => reports.some(([where]) => where === 'run id'));
  // Nor may it tell how that job goes on.
  const said = {
    type: 'execution_error',
    data: { prompt_id: job.promptId, exception_message: 'x', exception_type: 'X' },
  };
  hostile.say(JSON.stringify(said));
  comfy.faults.mostSteps = Infinity;
  expect(await job.end).toMatchObject({ promptId: job.promptId, userId: 'ada', status: 'completed' });
  expect((await firstValueFrom(pipeline.watch(mallory.promptId))).userId).toBe('mallory');
  expect((await pipeline.get(mallory.promptId))?.runId).toBeUndefined();
  await hostile.close();
});
