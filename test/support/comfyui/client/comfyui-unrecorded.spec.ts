import { setTimeout as sleep } from 'node:timers/promises';
import { Client, finished, get, post, start, stopAll, submit, until } from './comfyui-client';
import type { Queue } from './comfyui-client';
import * as workflows from '../workflows';

afterEach(stopAll);

const long = () => workflows.steps({ steps: 200 });

describe('what was not recorded', () => {
  test('0.3.64 keeps any prompt_id, has no jobs API and holds no progress back', async () => {
    const server = await start({ version: '0.3.64' });
    const client = await Client.connect(server);
    client.socket.send('{"type": "feature_flags", "data": {}}');
    const id = await submit(server, workflows.steps({ steps: 6, secondsPerStep: 0.02 }), {
      client_id: 'client',
      prompt_id: 'any',
    });
    await finished(server, id);
    expect(id).toBe('any');
    expect(client.of('feature_flags')).toHaveLength(1);
    expect(client.of('progress').map(({ data }) => data['value'])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(client.of('progress_state').length).toBeGreaterThan(6);
    expect((await fetch(`${server.url}/api/jobs/any`)).status).toBe(404);
  });

  test.each(['0.3.30', '0.3.64'] as const)('%s: interrupt with another id', async (version) => {
    const server = await start({ version, faults: { mostSteps: 1 } });
    const client = await Client.connect(server);
    await submit(server, workflows.steps({ steps: 4 }));
    await until(() => client.of('progress').length > 0);
    await post(server, '/interrupt', { prompt_id: 'another' });
    server.faults.mostSteps = Infinity;
    await until(() => client.isIdle());
    const end = version === '0.3.30' ? 'execution_interrupted' : 'execution_success';
    expect(client.of(end)).toHaveLength(1);
  });

  test('the jobs API lists without workflows, and cancels what waits', async () => {
    const server = await start();
    const running = await submit(server, long());
    await sleep(2);
    const waiting = await submit(server, long());
    const page = await get<unknown>(server, '/api/jobs?status=in_progress,pending&limit=1');
    const counts = { outputs_count: 0, previewable_outputs_count: 0 };
    const job = { id: waiting, status: 'pending', priority: 1, create_time: expect.any(Number) as number, ...counts };
    expect(page).toEqual({ jobs: [job], pagination: { offset: 0, limit: 1, total: 2, has_more: true } });
    expect((await get<{ status: string }>(server, `/api/jobs/${running}`)).status).toBe('in_progress');
    expect(await (await post(server, `/api/jobs/${waiting}/cancel`, {})).json()).toEqual({ cancelled: true });
    expect((await post(server, `/api/jobs/${waiting}/cancel`, {})).status).toBe(404);
  });

  test('one output is refused and the other runs', async () => {
    const server = await start({ faults: { mostSteps: 1 } });
    const answer = await post(server, '/api/prompt', { prompt: workflows.partlyRejected() });
    const { node_errors } = (await answer.json()) as { node_errors: object };
    expect([answer.status, Object.keys(node_errors)]).toEqual([200, ['5']]);
    expect((await get<Queue>(server, '/queue')).queue_running[0]?.[4]).toEqual(['4']);
  });

  test.each(['no JSON', {}])('no prompt: %j', async (body) => {
    const answer = await post(await start(), '/prompt', body);
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: { type: 'no_prompt' }, node_errors: {} },
    ]);
  });

  test('a training tells its loss, shows a graph and has a file to fetch', async () => {
    const server = await start({ timeScale: 0.05 });
    const client = await Client.connect(server);
    const id = await submit(server, workflows.training({ steps: 5 }));
    const { outputs } = await finished(server, id);
    expect(client.binary.at(0)?.readUInt32BE(0)).toBe(3);
    expect(client.binary.at(0)?.subarray(8).toString()).toBe('5step 1/5, loss 0.2000');
    const file = outputs['7']?.images[0];
    const answer = await fetch(`${server.url}/view?${new URLSearchParams(file).toString()}`);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(
      Buffer.from(await answer.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    expect((await fetch(`${server.url}/view?filename=never.png`)).status).toBe(404);
  });

  test.each(
    Object.entries({
      image: workflows.image(),
      characterSheet: workflows.characterSheet(),
      faceSwap: workflows.faceSwap(),
      loop: workflows.loop(3),
      lazy: workflows.lazy(),
      parallel: workflows.parallel(),
      twoOutputs: workflows.twoOutputs(),
    }),
  )('workflow %s succeeds', async (_, prompt) => {
    const server = await start({ timeScale: 0.05 });
    const id = await submit(server, prompt);
    expect((await finished(server, id)).status.status_str).toBe('success');
  });
});
