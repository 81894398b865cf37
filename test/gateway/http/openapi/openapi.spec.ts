import { randomUUID } from 'node:crypto';
import { validate } from '@readme/openapi-parser';
import type { Router } from 'express';
import { pino } from 'pino';
import { EMPTY } from 'rxjs';
import { admission } from '../../../../gateway/admission/admission';
import { jobViews } from '../../../../gateway/wire/job-views';
import { httpApp } from '../../../../gateway/http/app';
import { defaultDownloadLimits, downloads } from '../../../../gateway/http/outputs/downloads';
import { urlSigner } from '../../../../gateway/http/outputs/signed-urls';
import { jobQuery } from '../../../../gateway/http/requests/job-query.codec';
import { reportRequest } from '../../../../gateway/http/requests/report-request.codec';
import { submitRequest, trackRequest } from '../../../../gateway/http/requests/job-request.codec';
import { examples } from '../../../../gateway/http/openapi/examples';
import { openApi } from '../../../../gateway/http/openapi/openapi';
import { originPolicy } from '../../../../gateway/admission/origin-policy';
import { problemKinds, problemType } from '../../../../gateway/wire/problem';
import { defaultRates } from '../../../../gateway/admission/limits/rate-limits';
import { nodeError, rejected, steps } from '../../../support/comfyui/workflows';
import { asking, type Answer } from '../../support/http/asking';
import { document, fits, operationFor, operations, undocumented } from '../../support/http/documented';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { SECRET, testAuth, tokenOf } from '../../support/admission/tokens';
import { prometheusMetrics } from '../../../../gateway/metrics';

test('the document is valid OpenAPI 3.1, with tokens and without', async () => {
  for (const tokens of [true, false]) {
    const copy = JSON.parse(JSON.stringify(openApi(tokens))) as Parameters<typeof validate>[0];
    expect(await validate(copy)).toMatchObject({ valid: true });
  }
});

test('bodies and answers are shown by examples that fit, and that are taken', () => {
  for (const [method, path, decode] of [
    ['POST', '/jobs', submitRequest],
    ['PUT', '/jobs/x', trackRequest],
  ] as const) {
    const shown = examplesOf(method, path);
    expect(shown).toHaveLength(1);
    expect(fits(operationFor(method, path)!.body!, shown[0])).toEqual([]);
    expect(decode(shown[0], () => '{}')).toMatchObject({ _tag: 'Right' });
  }
  expect(fits({ $ref: '#/components/schemas/Job' }, examples.job, true)).toEqual([]);
});

const examplesOf = (method: string, path: string): readonly unknown[] => {
  const template = operationFor(method, path)!.path;
  const { requestBody } = document.paths[template]![method.toLowerCase()]!;
  return Object.values((requestBody as { content: Record<string, { example: unknown }> }).content).map(
    ({ example }) => example,
  );
};

test('a validator that takes this takes not everything', async () => {
  const broken = JSON.parse(JSON.stringify(openApi(true))) as Record<string, unknown>;
  broken['paths'] = { '/jobs': { get: { responses: { 200: { nothing: 'described' } } } } };
  expect(await validate(broken as Parameters<typeof validate>[0])).toMatchObject({ valid: false });
});

test('every schema of it compiles, and every operation has an id of its own', () => {
  for (const { body, parameters, responses } of operations)
    for (const schema of [
      ...(body ? [body] : []),
      ...parameters.map((parameter) => parameter.schema),
      ...Object.values(responses).flatMap(({ content = {} }) =>
        Object.values(content).map(({ schema }) => schema ?? {}),
      ),
    ])
      expect(() => fits(schema, null)).not.toThrow();
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((each) => each['operationId']),
  );
  expect(new Set(ids).size).toBe(operations.length);
});

/** A route as express keeps it, in routers within routers. */
interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
  readonly handle: { readonly stack?: readonly Layer[] };
}
const routesIn = (layers: readonly Layer[]): readonly string[] =>
  layers.flatMap(({ route, handle }) =>
    route
      ? route.stack.flatMap(({ method }) => (method ? [`${method.toUpperCase()} ${route.path}`] : []))
      : routesIn(handle.stack ?? []),
  );

test('it has every route that the gateway serves, and no other', () => {
  const app = httpApp({
    pipeline: {} as never,
    rooms: {} as never,
    auth: testAuth,
    admission: admission(testAuth, defaultRates, 0),
    policy: originPolicy([], true),
    sending: { bytes: 0, stallMs: 1 },
    downloads: downloads(defaultDownloadLimits),
    signer: urlSigner({ secret: SECRET }),
    basePath: '',
    proxies: 0,
    bodies: {} as never,
    inputs: {} as never,
    lists: {} as never,
    refusals: { origin: () => undefined, transport: () => undefined },
    limits: { waitingBytes: 0, stallMs: 1 },
    closing$: EMPTY,
    views: jobViews(() => []),
    histories: { of: () => undefined },
    webhooks: { objectionTo: () => undefined, add: () => Promise.resolve(), close: () => Promise.resolve() },
    logger: pino({ level: 'silent' }),
    tell: () => undefined,
    metrics: prometheusMetrics(),
  });
  const served = new Set(routesIn((app.router as Router & { stack: readonly Layer[] }).stack));
  const documented = operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
  expect([...served].filter((route) => !route.endsWith(' /')).sort()).toEqual([...documented].sort());
});

const values: readonly unknown[] = [
  undefined,
  null,
  '',
  'a',
  'ä🎨',
  'line\nbreak',
  'nul\0',
  'x'.repeat(100),
  'x'.repeat(101),
  '🎨'.repeat(100),
  '🎨'.repeat(101),
  'x'.repeat(2001),
  0,
  1,
  1.5,
  10,
  11,
  -1,
  true,
  [],
  {},
  [{}],
  { a: 1 },
  { url: '' },
  { url: 'https://example.com', more: 1 },
  { url: 'x'.repeat(2001) },
  { url: 7 },
  'resubmit',
  { '1': { class_type: 'X', inputs: {} } },
  { '1': { class_type: 'X', inputs: { a: ['2', 0] }, _meta: { title: 'x' } }, '2': { class_type: 'Y', inputs: {} } },
  { '1': { class_type: '', inputs: {} } },
  { '1': { class_type: 7, inputs: {} } },
  { '1': { class_type: 'X', inputs: [] } },
  { '1': { class_type: 'X' } },
  { '1': [] },
  { '1': null },
  '{"1":{"class_type":"X","inputs":{}}}',
  { nodes: [], links: [] },
  { prompt: { '1': { class_type: 'X', inputs: {} } } },
];

const [workflows, openings] = operationFor('POST', '/jobs')!.body!['anyOf'] as Schema[];
type Schema = Readonly<Record<string, unknown>>;
const whose = { type: 'face_swap', userId: 'ada' };

test.each([
  [
    'a workflow that is submitted',
    workflows!,
    { ...whose, workflow: { '1': { class_type: 'X', inputs: {} } } },
    submitRequest,
  ],
  ['a job that is opened', openings!, { ...whose, reported: {} }, submitRequest],
  ['a job that is tracked', operationFor('PUT', '/jobs/x')!.body!, whose, trackRequest],
  ['a report', operationFor('POST', '/jobs/x/report')!.body!, { count: 1 }, reportRequest],
] as const)('the schema of %s takes what its codec takes, field by field', (_, schema, good, decode) => {
  const takes = (body: unknown) => {
    const sent = JSON.parse(JSON.stringify(body)) as Readonly<Record<string, unknown>>;
    return [decode(sent, () => '')._tag === 'Right', fits(schema, sent).length === 0];
  };
  const fields = Object.keys(schema['properties'] as object);
  expect(fields.length).toBeGreaterThanOrEqual(5);
  // That they go together, or with no others, no schema of a field says.
  const alone = new Set(['value', 'max', 'outputs', 'failure', 'reported', 'workflow']);
  for (const field of [...fields.filter((each) => each in good || !alone.has(each)), 'unknown'])
    for (const value of values) {
      const [byCodec, bySchema] = takes({ ...good, [field]: value });
      expect([field, value, byCodec]).toEqual([field, value, bySchema]);
    }
  for (const body of [null, [], 'text', 7, {}]) expect(takes(body)).toEqual([false, false]);
});

test.each(['type', 'userId', 'characterId', 'text'])('the schema of a list’s %s takes what its codec takes', (name) => {
  const { schema } = operationFor('GET', '/jobs')!.parameters.find((parameter) => parameter.name === name)!;
  for (const value of ['', 'a', 'x'.repeat(500), 'x'.repeat(501), '🎨'.repeat(500), '🎨'.repeat(501)]) {
    const byCodec = jobQuery({ [name]: value })._tag === 'Right';
    expect([value, byCodec]).toEqual([value, fits(schema, value).length === 0]);
  }
});

test('an input comes as a form, as image, video or audio, or as bytes', () => {
  const { requestBody } = document.paths['/inputs']!['post']!;
  const types = ['multipart/form-data', 'image/*', 'video/*', 'audio/*', 'application/octet-stream'];
  expect(Object.keys((requestBody as { content: object }).content)).toEqual(types);
});

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
    const running = await submitted(steps({ steps: 200 }));
    await ask('POST', `/jobs/${running}/cancel`);
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

test('every kind of problem is documented where it may come', () => {
  const text = JSON.stringify(document.paths);
  const elsewhere = ['method-not-allowed', 'too-many-sockets'];
  expect(problemKinds.filter((kind) => !text.includes(`"${problemType(kind)}"`))).toEqual(elsewhere);
});
