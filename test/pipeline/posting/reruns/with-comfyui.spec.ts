import { defaultTiming } from '../../../../streams/job/timing';
import { until } from '../../../support/until';
import { get, start } from '../../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../../support/comfyui/stand-in';
import { outOfMemory, steps } from '../../../support/comfyui/workflows';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { expectForward } from '../../../support/pipeline/pipelines';
import { lasting, progressed } from '../../../support/pipeline/one-redis';
import { expectOnceEach, hold, instancesOnFile, letGo } from './instances';

describe('with ComfyUI', () => {
  const { instance } = instancesOnFile();

  const posts = ({ requests }: ComfyUIStandIn): readonly string[] =>
    requests.filter(({ method }) => method === 'POST').map(({ path }) => path);

  test.each(['0.3.30', '0.3.64', '0.33.0'] as const)(
    'a job that ran out of memory is run again on %s after that was freed, as often as it may',
    async (version) => {
      const comfy = await start({ version });
      const { run, pipeline } = instance({ servers: [comfy.url] });
      const job = await run(outOfMemory(), { maxAttempts: 2 });
      const between = await job.where(({ attempt }) => attempt === 2);
      expect(between).toMatchObject({ status: 'queued' });
      const end = await job.end;
      expect(end).toMatchObject({ promptId: job.promptId, status: 'failed', attempt: 2 });
      expect(end.failure?.kind).toBe('out_of_memory');
      expect(posts(comfy)).toEqual(['/prompt', '/free', '/prompt']);
      expect([...comfy.executions.keys()]).toEqual([
        version === '0.3.30' ? expect.any(String) : job.promptId,
        end.runId,
      ]);
      expectOnceEach(comfy);
      expectForward(job.states);
      expect(await pipeline.get(job.promptId)).toEqual(end);
    },
  );

  test('[R10] a server that does not free its memory is asked to run the job all the same', async () => {
    const comfy = await start();
    const { run, reports } = instance({ servers: [comfy.url] });
    comfy.faults.status = { httpStatus: 500, body: 'no', routes: ['/free'] };
    const job = await run(outOfMemory(), { maxAttempts: 2 });
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'out_of_memory' } });
    expect(reports.map(([where]) => where)).toContain('free');
    expect(comfy.executions.size).toBe(2);
  });

  test.each(['0.3.30', '0.33.0'] as const)(
    '[R4] a job that %s forgot when it was restarted is run once more, and ends well',
    async (version) => {
      const comfy = await start({ version });
      const { run } = instance({ servers: [comfy.url] });
      hold(comfy);
      const job = await run(lasting(1), { onLost: 'resubmit' });
      await job.where(progressed);
      await comfy.restart();
      letGo(comfy);
      const end = await job.end;
      expect(end).toMatchObject({ promptId: job.promptId, status: 'completed', progress: 100, attempt: 2 });
      expect(end.outputs).toHaveLength(1);
      expect([...comfy.executions.keys()]).toEqual([
        version === '0.3.30' ? expect.any(String) : job.promptId,
        end.runId,
      ]);
      expectOnceEach(comfy);
      expectForward(job.states);
    },
  );

  test('a job without a policy is lost when its server forgot it, and is not run again', async () => {
    const comfy = await start();
    const { run } = instance({ servers: [comfy.url] });
    hold(comfy);
    const job = await run(lasting(1), { maxAttempts: 3 });
    await job.where(progressed);
    await comfy.restart();
    expect(await job.end).toMatchObject({ attempt: 1, failure: { kind: 'lost' } });
    expect(comfy.executions.size).toBe(1);
  });

  test('a job of a server that stays away is run on another, and not again when its own is back', async () => {
    const [one, other] = [await start(), await start()];
    const { run, pipeline } = instance({
      servers: [one.url, other.url],
      clock: hurriedClock(20),
      timing: defaultTiming,
    });
    hold(one);
    const job = await run(lasting(1), { onLost: 'resubmit', server: one.url });
    const stays = await run(lasting(0.5), { server: one.url });
    await job.where(progressed);
    await one.kill();
    await job.where(({ serverUrl }) => serverUrl === other.url);
    expect(pipeline.servers().map(({ healthy }) => healthy)).toEqual([false, true]);
    letGo(one);
    await one.start();
    const end = await job.end;
    expect(end).toMatchObject({ status: 'completed', serverUrl: other.url, attempt: 2 });
    expect([...other.executions.keys()]).toEqual([end.runId]);
    expect(await stays.end).toMatchObject({ attempt: 1, serverUrl: one.url, status: 'completed' });
    expectOnceEach(one, other);
    expectForward(job.states);
  });

  test('[R4] the only server is waited for, however long it stays away', async () => {
    const comfy = await start();
    const clock = hurriedClock(60);
    const { run } = instance({ servers: [comfy.url], clock, timing: defaultTiming });
    hold(comfy);
    const running = await run(lasting(1));
    const job = await run(lasting(0.3), { onLost: 'resubmit' });
    await running.where(progressed);
    const killedAt = clock.now();
    await comfy.kill();
    await until(() => clock.now() - killedAt > 90_000);
    expect(job.states.at(-1)).toMatchObject({ status: 'queued', attempt: 1 });
    letGo(comfy);
    await comfy.start();
    expect(await job.end).toMatchObject({ status: 'completed', attempt: 1 });
    expect(comfy.executions.get(job.promptId)).toBe(1);
  });

  test('a cancel between two runs settles the job, and nothing is posted', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const job = await run(outOfMemory(), { maxAttempts: 3 });
    await job.where(({ attempt }) => attempt === 2);
    expect(await pipeline.cancel(job.promptId)).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'cancelled' } });
    // Later than the next run would have come.
    const next = await run(lasting(0.7));
    await next.end;
    expect([...comfy.executions.keys()]).toEqual([job.promptId, next.promptId]);
  });

  test('a cancel in the second run stops that run', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const job = await run(lasting(20), { onLost: 'resubmit' });
    await job.where(progressed);
    await comfy.restart();
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    await pipeline.cancel(job.promptId);
    expect(await job.end).toMatchObject({ attempt: 2, failure: { kind: 'cancelled' } });
    expect((await get<{ queue_running: unknown[] }>(comfy, '/queue')).queue_running).toEqual([]);
  });

  test('[R13] previews of the second run are the job’s', async () => {
    const comfy = await start();
    const { run, pipeline } = instance({ servers: [comfy.url] });
    const seen = new Set<string>();
    hold(comfy);
    const job = await run(steps({ steps: 20, secondsPerStep: 0.05, previewEvery: 1 }), { onLost: 'resubmit' });
    pipeline.previews(job.promptId).subscribe(({ promptId }) => seen.add(promptId));
    await job.where(progressed);
    await comfy.restart();
    await job.where(({ attempt, status }) => attempt === 2 && status === 'processing');
    seen.clear();
    letGo(comfy);
    await job.end;
    expect([...seen]).toEqual([job.promptId]);
  });
});
