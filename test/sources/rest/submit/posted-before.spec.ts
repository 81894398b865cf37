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
    const before = server.requests.slice(
      0,
      server.requests.findIndex(({ method, path }) => method === 'POST' && path.endsWith('/prompt')),
    );
    const looks = before.filter(({ path }) => /^\/(api\/jobs\?|queue)/.test(path) && path !== '/queue');
    expect(looks).toHaveLength(3);
    expect(await executionsOf(server, promptId)).toEqual([1]);
  });
});

describe('that an old server gave an id of its own, and ended before forty others,', () => {
  async function endedBefore(mark: string) {
    const server = await start({ version: '0.3.30', timeScale: 0.1 });
    const extra_data = { jobstream_prompt_id: mark };
    const id = await postForAnother(server, short(), { client_id: 'a client that is gone', extra_data });
    let last = id;
    for (let n = 0; n < 40; n++) last = await postForAnother(server, short());
    await finished(server, last);
    return { server, id, before: posts(server) };
  }
  const lists = ({ requests }: { readonly requests: readonly { readonly path: string }[] }): readonly string[] =>
    requests.flatMap(({ path }) => /max_items=\d+/.exec(path)?.[0] ?? []);

  test('[R10] is found further back in its history, and not posted again', async () => {
    const promptId = randomUUID();
    const { server, id, before } = await endedBefore(promptId);
    const { done } = submitTo(server.url, short(), { submission: { promptId, maybePosted: true } });
    expect(await done).toMatchObject([{ tag: 'accepted', promptId, runId: id }]);
    expect([posts(server), new Set(lists(server))]).toEqual([before, new Set(['max_items=32', 'max_items=128'])]);
  });

  test('is not looked for among those that began an hour before it was submitted', async () => {
    const { server, before } = await endedBefore('another');
    const since = Date.now() + 2 * 3_600_000;
    const { done } = submitTo(server.url, short(), { submission: { since, maybePosted: true } });
    expect(await done).toMatchObject([{ tag: 'accepted' }]);
    expect([posts(server), new Set(lists(server))]).toEqual([before + 1, new Set(['max_items=32'])]);
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
