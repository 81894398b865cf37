import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { JobState } from '../../../../streams/job/job-state';
import { rejected, steps } from '../../../support/comfyui/workflows';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;

beforeAll(async () => {
  gateway = await runningGateway({ bodyLimitBytes: 2 ** 20 });
  ask = asking(gateway);
});
afterAll(() => gateway.close());

const request = (workflow: unknown = steps()) => ({ workflow, type: 'image_generation', userId: 'ada' });
const fields = (json: Readonly<Record<string, unknown>>) =>
  (json['errors'] as { field: string }[]).map(({ field }) => field);

test('POST answers 202 with the job and where it is; it can be read until it is completed', async () => {
  const posted = await ask('POST', '/jobs', { body: { ...request(), characterId: 'aria', metadata: { order: 7 } } });
  expect(posted.status).toBe(202);
  const { promptId } = posted.json as unknown as JobState;
  expect(posted.headers['location']).toBe(`/jobs/${promptId}`);
  expect(posted.json).toMatchObject({
    type: 'image_generation',
    userId: 'ada',
    characterId: 'aria',
    metadata: { order: 7 },
  });
  await settled(gateway.pipeline, promptId);
  const read = await ask('GET', `/jobs/${promptId}`);
  expect(read.json).toMatchObject({ promptId, status: 'completed', progress: 100, outputs: [{ kind: 'images' }] });
  expect(gateway.comfy.executions.get(promptId)).toBe(1);
});

test('how often it may run again goes with the job', async () => {
  const { json } = await ask('POST', '/jobs', { body: { ...request(), onLost: 'resubmit', maxAttempts: 2 } });
  const promptId = String(json['promptId']);
  expect((await gateway.pipeline.get(promptId))?.retry).toEqual({ onLost: 'resubmit', maxAttempts: 2 });
  await settled(gateway.pipeline, promptId);
});

test('[R13] no answer holds the client id', async () => {
  const posted = await ask('POST', '/jobs', { body: request() });
  const promptId = String(posted.json['promptId']);
  expect((await gateway.pipeline.get(promptId))?.clientId).toBeDefined();
  for (const { text } of [posted, await ask('GET', `/jobs/${promptId}`), await ask('GET', '/jobs')])
    expect(text).not.toContain('clientId');
  await settled(gateway.pipeline, promptId);
});

test('a workflow that ComfyUI refuses is 422 by node, and the job readable as failed', async () => {
  const refused = await ask('POST', '/jobs', { body: request(rejected()) });
  expect(refused.status).toBe(422);
  expect(refused.headers['content-type']).toContain('application/problem+json');
  expect(refused.json).toMatchObject({ type: 'urn:comfyui-jobstream:problem:workflow-refused', status: 422 });
  expect(refused.json['nodeErrors']).toEqual(
    expect.arrayContaining([expect.objectContaining({ nodeId: '1' }), expect.objectContaining({ nodeId: '5' })]),
  );
  const read = await ask('GET', String(refused.headers['location']));
  expect(read.json).toMatchObject({
    promptId: refused.json['promptId'],
    status: 'failed',
    failure: { kind: 'rejected' },
  });
});

test.each<[string, unknown, string[]]>([
  ['nothing', {}, ['type', 'workflow', 'userId']],
  ['an array', [], ['body']],
  ['empty texts', { ...request(), type: '', userId: '' }, ['type', 'userId']],
  ['control characters', { ...request(), userId: 'a\nb' }, ['userId']],
  ['numbers for texts', { ...request(), characterId: 7, server: 7 }, ['characterId', 'server']],
  ['an unknown server', { ...request(), server: 'http://elsewhere:8188' }, ['server']],
  ['much metadata', { ...request(), metadata: { a: 'x'.repeat(20_000) } }, ['metadata']],
  ['odd retries', { ...request(), onLost: 'panic', maxAttempts: 0 }, ['onLost', 'maxAttempts']],
  ['a list as metadata', { ...request(), metadata: [] }, ['metadata']],
  ['no nodes', request({}), ['workflow']],
  ['a node that is none', request({ '3': 5 }), ['workflow.3']],
  [
    'nodes without class or inputs',
    request({ '3': { inputs: {} }, '4': { class_type: 'X' } }),
    ['workflow.3', 'workflow.4'],
  ],
])('400 names the bad fields of %s', async (_what, body, names) => {
  const answer = await ask('POST', '/jobs', { body });
  expect([answer.status, fields(answer.json)]).toEqual([400, names]);
});

test('the UI format is told from the API format, with the way out', async () => {
  const answer = await ask('POST', '/jobs', { body: request({ nodes: [], links: [], version: 0.4 }) });
  expect(answer.json['detail']).toMatch(/workflow is in the UI format; export it .*Save \(API Format\)/);
  const whole = await ask('POST', '/jobs', { body: request({ prompt: steps(), client_id: 'x' }) });
  expect(whole.json['detail']).toContain('send what is under its "prompt"');
  const bare = await ask('POST', '/jobs', { body: steps() });
  expect([bare.status, bare.json['detail']]).toEqual([
    400,
    expect.stringContaining('body is a workflow itself; send it'),
  ]);
});

test('other bad bodies: no JSON, not JSON, none, too large, too large when unpacked', async () => {
  const json = { 'Content-Type': 'application/json' };
  expect(await ask('POST', '/jobs', { body: '{"workflow":' })).toMatchObject({
    status: 400,
    json: { title: 'The body is no JSON' },
  });
  expect(await ask('POST', '/jobs', { body: 'a=b', headers: { 'Content-Type': 'text/plain' } })).toMatchObject({
    status: 415,
  });
  expect(await ask('POST', '/jobs', { headers: json })).toMatchObject({ status: 400 });
  expect(await ask('POST', '/jobs', { body: request({ '1': 'x'.repeat(2 * 2 ** 20) }) })).toMatchObject({
    status: 413,
  });
  const packed = gzipSync(JSON.stringify(request({ '1': 'x'.repeat(2 * 2 ** 20) })));
  const bomb = await fetch(`${gateway.url}/jobs`, {
    method: 'POST',
    body: packed,
    headers: { ...json, 'Content-Encoding': 'gzip' },
  });
  expect(bomb.status).toBe(413);
  expect(bomb.headers.get('content-type')).toContain('application/problem+json');
});

test('a body that is too large is answered before its connection is closed, as a proxy asks for', async () => {
  const body = Buffer.alloc(33 << 20, ' ');
  const answers = Array.from({ length: 2 }, async () => {
    const headers = { 'content-type': 'application/json', connection: 'close' };
    const asked = httpRequest(`${gateway.url}/jobs`, { method: 'POST', headers, agent: false });
    asked.end(body);
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    const [text] = await Promise.all([response.toArray(), once(asked, 'close')]);
    return [response.statusCode, JSON.parse(Buffer.concat(text as Buffer[]).toString())] as const;
  });
  for (const [status, problem] of await Promise.all(answers))
    expect([status, problem]).toEqual([413, expect.objectContaining({ title: 'The body is too large' })]);
});

test('unknown routes are 404, wrong methods 405 with what is allowed', async () => {
  expect(await ask('GET', '/nothing')).toMatchObject({ status: 404, json: { status: 404 } });
  expect(await ask('PATCH', '/jobs')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } });
  expect(await ask('DELETE', `/jobs/${randomUUID()}`)).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD, PUT' },
  });
  expect(await ask('GET', `/jobs/${randomUUID()}/cancel`)).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  expect(await ask('POST', `/jobs/${randomUUID()}/outputs/0`)).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD' },
  });
  expect(await ask('POST', '/')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  expect(await ask('OPTIONS', '/jobs')).toMatchObject({ status: 204, headers: { allow: 'GET, HEAD, POST' } });
});

test.each(['not here', '..%2f..%2fetc', 'a'.repeat(200), 'comfyui:job:x', '%zz'])('no job is called %s', async (id) => {
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/cancel'],
    ['GET', '/outputs/0'],
  ] as const) {
    expect((await ask(method, `/jobs/${id}${path}`)).status).toBe(404);
  }
});

test('the list is filtered and comes in pages, the newest first', async () => {
  const ids: string[] = [];
  for (const type of ['paged', 'paged', 'paged', 'other']) {
    const { json } = await ask('POST', '/jobs', { body: { ...request(), type } });
    ids.unshift(String(json['promptId']));
  }
  const page = async (query: string) => {
    const { json } = await ask('GET', `/jobs?type=paged&limit=2${query}`);
    return {
      ids: (json['jobs'] as JobState[]).map(({ promptId }) => promptId),
      cursor: json['cursor'] as string | undefined,
    };
  };
  const first = await page('');
  const second = await page(`&cursor=${String(first.cursor)}`);
  expect(new Set([...first.ids, ...second.ids])).toEqual(new Set(ids.slice(1)));
  expect([first.ids.length, second.ids.length, second.cursor]).toEqual([2, 1, undefined]);
  for (const id of ids) await settled(gateway.pipeline, id);
  expect((await page('&status=queued')).ids).toEqual([]);
  expect((await page('&userId=nobody')).ids).toEqual([]);
});

test.each([
  ['status=done', 'status'],
  ['limit=0', 'limit'],
  ['limit=201', 'limit'],
  ['limit=x', 'limit'],
  ['type=a&type=b', 'type'],
  ['cursor=', 'cursor'],
])('GET /jobs?%s names the bad field', async (query, field) => {
  const answer = await ask('GET', `/jobs?${query}`);
  expect([answer.status, fields(answer.json)]).toEqual([400, [field]]);
});

test('cancel stops the job, and says so once it has settled', async () => {
  gateway.comfy.faults.mostSteps = 1;
  const { json } = await ask('POST', '/jobs', { body: request() });
  const promptId = String(json['promptId']);
  const asked = await ask('POST', `/jobs/${promptId}/cancel`);
  expect([200, 202]).toContain(asked.status);
  expect(await settled(gateway.pipeline, promptId)).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
  gateway.comfy.faults.mostSteps = Infinity;
  expect(await ask('POST', `/jobs/${promptId}/cancel`)).toMatchObject({ status: 200, json: { status: 'failed' } });
});

test('PUT tracks a job that somebody else posted, and no job that is nowhere', async () => {
  const promptId = randomUUID();
  const { workflow, ...tracked } = request();
  const posted = await fetch(`${gateway.comfy.url}/prompt`, {
    method: 'POST',
    body: JSON.stringify({ prompt: workflow, prompt_id: promptId }),
  });
  expect(posted.status).toBe(200);
  expect(await ask('PUT', `/jobs/${promptId}`, { body: tracked })).toMatchObject({
    status: 200,
    json: { promptId, userId: 'ada' },
  });
  expect(await settled(gateway.pipeline, promptId)).toMatchObject({ status: 'completed' });
  expect(await ask('PUT', `/jobs/${randomUUID()}`, { body: tracked })).toMatchObject({ status: 404 });
  const bad = await ask('PUT', `/jobs/${promptId}`, { body: { userId: 'ada' } });
  expect([bad.status, fields(bad.json)]).toEqual([400, ['type']]);
});
