import { randomUUID } from 'node:crypto';
import { nodeError, rejected, steps } from '../../../support/comfyui/workflows';
import { asking, type Answer } from '../../support/http/asking';
import { document, fits, operationFor, operations, undocumented } from '../../support/http/documented';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';

describe('every real answer is as documented:', () => {
  let gateway: RunningGateway;
  let ada: string, service: string;
  const seen = new Set<string>();

  beforeAll(async () => {
    gateway = await runningGateway({ auth: testAuth, outputLimitBytes: 2 ** 20, bodyLimitBytes: 2 ** 20 });
    [ada, service] = await Promise.all([tokenOf({ sub: 'ada' }), tokenOf({ role: 'service', sub: 'app' })]);
  });
  afterAll(() => gateway.close());

  async function ask(
    method: string,
    path: string,
    how: Parameters<ReturnType<typeof asking>>[2] = {},
  ): Promise<Answer> {
    const answer = await asking(gateway)(method, path, { token: service, ...how });
    expect(undocumented(method, path.split('?')[0]!, answer)).toEqual([]);
    const { path: template } = operationFor(method, path.split('?')[0]!)!;
    seen.add(`${method} ${template} ${answer.status}`);
    return answer;
  }
  const request = (workflow: unknown = steps()) => ({ workflow, type: 'image_generation', userId: 'ada' });
  const submitted = async (workflow: unknown, headers = {}) => {
    const { json } = await ask('POST', '/jobs', { body: request(workflow), headers });
    return String(json['promptId']);
  };

  test('jobs of every end', async () => {
    const workflow = steps();
    const done = await submitted(workflow, { 'Idempotency-Key': 'k' });
    const broken = await submitted(nodeError());
    await Promise.all([done, broken].map((promptId) => settled(gateway.pipeline, promptId)));
    expect(await submitted(workflow, { 'Idempotency-Key': 'k' })).toBe(done);
    for (const promptId of [done, broken]) {
      await ask('GET', `/jobs/${promptId}`);
      await ask('POST', `/jobs/${promptId}/cancel`);
      await ask('GET', `/jobs/${promptId}/nodes`);
      const { headers } = await ask('GET', `/jobs/${promptId}/outputs/0`);
      for (const range of ['bytes=0-3', 'bytes=999999999-'])
        await ask('GET', `/jobs/${promptId}/outputs/0`, { headers: { Range: range } });
      await ask('GET', `/jobs/${promptId}/outputs/0`, { headers: { 'If-None-Match': headers['etag'] ?? '""' } });
      await ask('POST', `/jobs/${promptId}/outputs/0/url`);
      const stream = await ask('GET', `/jobs/${promptId}/events`);
      const [, id, , data] = /id: (.*)(\n)data: (.*)\n/.exec(stream.text)!;
      expect(fits({ $ref: '#/components/schemas/Job' }, JSON.parse(data!), true)).toEqual([]);
      await ask('GET', `/jobs/${promptId}/events`, { headers: { 'Last-Event-ID': id! } });
      await ask('PUT', `/jobs/${promptId}`, { body: { type: 'face_swap', userId: 'ada' } });
    }
    const { faults } = gateway.comfy;
    faults.mostSteps = 1;
    const running = await submitted(steps());
    // It runs on until its cancel was answered, as where a node swallows the interrupt.
    const routes = [`/api/jobs/${running}/cancel`];
    faults.status = { httpStatus: 200, body: '{"cancelled": true}', contentType: 'application/json', routes };
    await ask('POST', `/jobs/${running}/cancel`);
    faults.status = undefined;
    faults.mostSteps = Infinity;
    await ask('GET', '/jobs');
    await ask('GET', '/jobs?limit=1&status=completed&type=image_generation&userId=ada');
    await ask('GET', '/jobs?limit=0&status=odd');
    await settled(gateway.pipeline, running);
  });

  test('refusals', async () => {
    const nowhere = `/jobs/${randomUUID()}`;
    await ask('POST', '/jobs', { body: request(rejected()) });
    await ask('POST', '/jobs', { body: {} });
    await ask('POST', '/jobs', { body: '{' });
    await ask('POST', '/jobs', { body: 'x', headers: { 'Content-Type': 'text/plain' } });
    await ask('POST', '/jobs', { body: request({ '1': 'x'.repeat(2 * 2 ** 20) }) });
    await ask('POST', '/jobs', { body: request(), token: await tokenOf({ sub: 'bob' }) });
    await ask('POST', '/jobs', { body: request(), headers: { 'Idempotency-Key': 'k' } });
    await ask('POST', '/jobs', { body: request(), headers: { 'Idempotency-Key': '' } });
    await ask('PUT', nowhere, { body: { type: 'face_swap', userId: 'ada' } });
    await ask('PUT', nowhere, { body: { type: 7, userId: 'ada' } });
    await ask('PUT', nowhere, { body: '{' });
    const opened = await ask('POST', '/jobs', { body: { type: 'lora_training', userId: 'ada', reported: {} } });
    const reported = `/jobs/${String(opened.json['promptId'])}`;
    await ask('POST', `${reported}/report`, { body: { count: 1, value: 1, max: 2, metrics: { loss: 0.5 } } });
    await ask('POST', `${reported}/report`, { body: { count: 2, outputs: ['a.safetensors', 'https://x.example/a'] } });
    await ask('GET', `${reported}/curves`);
    await ask('GET', reported);
    gateway.comfy.faults.status = { httpStatus: 502, body: '<html>' };
    await ask('PUT', nowhere, { body: { type: 'face_swap', userId: 'ada' } });
    gateway.comfy.faults.status = undefined;
    for (const { method, path } of operations.filter((each) => each.path.startsWith('/jobs'))) {
      const there = path.replace('{promptId}', randomUUID()).replace('{n}', '0');
      const body = ['POST', 'PUT'].includes(method) && !path.endsWith('cancel') ? { body: request() } : {};
      await ask(method, there, { token: 'none', ...body });
      await ask(method, there, { headers: { Origin: 'https://evil.example' }, ...body });
      if (path.includes('{promptId}')) await ask(method, there, { token: ada, ...body });
      if (path.includes('{promptId}')) await ask(method, `${there}?odd=1`, body);
      if (path.includes('{promptId}')) await ask(method, there.replace(/\/jobs\/[\w-]+/, '/jobs/%E0%A4%A'), body);
    }
  });

  test('inputs', async () => {
    const file = { body: 'GIF89a'.padEnd(100), headers: { 'Content-Type': 'application/octet-stream' } };
    await ask('POST', '/inputs?filename=a.gif', file);
    await ask('POST', '/inputs', file);
    await ask('POST', '/inputs?filename=a.png', file);
    await ask('POST', '/inputs?filename=a.gif&overwrite=1', { ...file, token: ada });
    await ask('POST', '/inputs?filename=a.gif', { ...file, token: 'none' });
    await ask('POST', '/inputs?filename=a.gif&maskOf=nothing.png', file);
    gateway.comfy.faults.status = { httpStatus: 502, body: '<html>' };
    await ask('POST', '/inputs?filename=a.gif', file);
    gateway.comfy.faults.status = undefined;
  });

  test('health and the documents, open to all', async () => {
    for (const token of ['', ada, service]) {
      await ask('GET', '/livez', { token });
      await ask('GET', '/readyz', { token });
      await ask('GET', '/me', { token });
      await ask('GET', '/metrics', { token });
      await ask('GET', '/me?odd=1', { token });
      expect((await ask('GET', '/openapi.json', { token })).json).toEqual(document);
      await ask('GET', '/asyncapi.json', { token });
    }
  });

  test('and hardly any that is documented was not seen', () => {
    const documented = operations.flatMap(({ method, path, responses }) =>
      Object.keys(responses).map((status) => `${method} ${path} ${status}`),
    );
    const unseen = documented.filter((each) => !seen.has(each) && !/ (500|503|408|409|413|415|429|403)$/.test(each));
    expect(unseen).toEqual(['GET /jobs/{promptId}/outputs/{n} 502']);
  });
});
