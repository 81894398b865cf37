import { randomUUID } from 'node:crypto';

import { SESSIONS_KEY } from '../../../sinks/redis/leases/session-registry';
import type { JobState } from '../../../streams/job/job-state';
import { start, submit } from '../../support/comfyui/client/comfyui-client';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { takenUp } from '../../support/pipeline/pipelines';
import { until } from '../../support/until';
import { aState } from '../../sinks/a-state';
import { lasting, onOneRedis, short } from '../../support/pipeline/one-redis';

const one = onOneRedis();
const { instance, holdJobs, letJobsGo, stored, owner } = one;

/** How often instances have looked for sessions that nobody holds. */
async function sweeps(): Promise<number> {
  const stats = await one.admin.info('commandstats');
  return Number(/cmdstat_hgetall:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

describe('what is found in the store', () => {
  const put = (state: JobState): Promise<unknown> =>
    one.admin.set(`comfyui:job:${state.promptId}`, JSON.stringify(state), 'EX', 600);
  const posted = async (workflow: object, clientId?: string): Promise<string> => {
    const promptId = randomUUID();
    const client = clientId === undefined ? {} : { client_id: clientId };
    await fetch(`${one.comfy.url}/prompt`, {
      method: 'POST',
      body: JSON.stringify({ prompt: workflow, prompt_id: promptId, ...client }),
    });
    return promptId;
  };

  test('of somebody else, without a session, is adopted by one instance, and ends', async () => {
    const promptId = await posted(lasting(1));
    await put(aState({ promptId, serverUrl: one.comfy.url, status: 'queued', progress: 0, phase: 'waiting' }));
    const [a, b] = [instance(), instance()];
    expect(await a.watch(promptId).end).toMatchObject({ status: 'completed', progress: 100 });
    expect(await b.watch(promptId).end).toMatchObject({ status: 'completed' });
    expect((await stored(promptId))?.session).toBeDefined();
    expect(one.comfy.executions.get(promptId)).toBe(1);
  });

  test('of a server that is not served is left alone, its session too, for who serves it', async () => {
    const other = await start();
    const session = randomUUID();
    const promptId = randomUUID();
    const state = aState({ promptId, serverUrl: other.url, clientId: session, status: 'queued', progress: 0 });
    await put(state);
    await one.admin.hset(SESSIONS_KEY, session, JSON.stringify({ serverUrl: other.url }));
    const ours = { promptId: await posted(short()), serverUrl: one.comfy.url };
    await put(aState({ ...ours, status: 'queued' }));
    const a = instance({ clock: hurriedClock(8) });
    await takenUp(a.pipeline, ours.promptId);
    await a.watch(ours.promptId).end;
    const before = await sweeps();
    await until(async () => (await sweeps()) > before + 2);
    expect(await owner(session)).toBeNull();
    expect(await stored(promptId)).toEqual(state);
    const b = instance({ servers: [other.url] });
    await takenUp(b.pipeline, promptId);
    expect(await owner(session)).not.toBeNull();
    expect((await b.watch(promptId).end).failure?.kind).toBe('lost');
  });

  test('of a session that was forgotten meanwhile is taken up all the same, and ends', async () => {
    const watching = instance();
    const promptId = randomUUID();
    const clientId = randomUUID();
    holdJobs();
    await submit(one.comfy, lasting(2), { client_id: clientId, prompt_id: promptId });
    const state = aState({ promptId, clientId, serverUrl: one.comfy.url, epoch: 1, updatedAt: Date.now() });
    await one.admin.set(`comfyui:job:${promptId}`, JSON.stringify(state));
    const other = instance();
    await until(async () => ((await stored(promptId))?.epoch ?? 0) > 1);
    letJobsGo();
    expect(await watching.watch(promptId).end).toMatchObject({ status: 'completed' });
    expect(await other.watch(promptId).end).toMatchObject({ status: 'completed' });
  });

  test('settled is left as it is', async () => {
    const states = (['completed', 'failed'] as const).map((status) =>
      aState({ promptId: randomUUID(), status, serverUrl: one.comfy.url, phase: 'settled', clientId: 'gone' }),
    );
    for (const state of states) await put(state);
    await one.admin.hset(SESSIONS_KEY, 'gone', JSON.stringify({ serverUrl: one.comfy.url }));
    const a = instance();
    await until(async () => (await owner('gone')) !== null);
    const job = await a.run(short());
    await job.end;
    for (const state of states) expect(await stored(state.promptId)).toEqual(state);
  });
});
