import { randomUUID } from 'node:crypto';
import { rest } from '../../../../sources/rest/rest';
import { serverAddress } from '../../../../sources/server-address';
import { finished, start, submit as postForAnother } from '../../../support/comfyui/client/comfyui-client';
import { clients, executionsOf, letGoOfAll, posts, short, submitTo } from './submitting';

afterEach(letGoOfAll);

describe('that may have been posted before', () => {
  test.each(['0.3.30', '0.33.0'] as const)('[R10] is found on %s and not posted again', async (version) => {
    const server = await start({ version });
    const promptId = randomUUID();
    const workflow = short();
    await postForAnother(server, workflow, { prompt_id: promptId, extra_data: { jobstream_prompt_id: promptId } });
    const events = await submitTo(server.url, workflow, { submission: { promptId, maybePosted: true } }).done;
    expect(events.at(-1)).toMatchObject({ tag: 'accepted' });
    expect([...server.executions.values()]).toEqual([1]);
    expect(posts(server)).toBe(1);
  });

  test('[R10] is posted after it was nowhere thrice', async () => {
    const server = await start({ version: '0.33.0' });
    const { promptId, done } = submitTo(server.url, short(), { submission: { maybePosted: true } });
    expect((await done).map(({ tag }) => tag)).toEqual(['accepted']);
    const looks = server.requests.filter(({ path }) => /^\/(api\/jobs\?|queue)/.test(path) && path !== '/queue');
    expect(looks).toHaveLength(3);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });
});

test('a run whose answer was lost is found by its own page where the queue is too large to be read', async () => {
  const server = await start({ version: '0.3.64' });
  const before = submitTo(server.url, short());
  await before.done;
  await finished(server, before.promptId);
  server.faults.giantQueue = 10;
  const client = rest(serverAddress(server.url), { timeoutMs: 10_000, maxBytes: 100_000, breakAfter: 20 });
  clients.push(client);
  const { promptId } = before;
  const { done } = submitTo(server.url, short(), { client, submission: { promptId, maybePosted: true } });
  expect(await done).toMatchObject([{ tag: 'accepted', promptId }]);
  expect(posts(server)).toBe(1);
});
