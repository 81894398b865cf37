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
import { document, fits, operationFor, operations } from '../../support/http/documented';
import { SECRET, testAuth } from '../../support/admission/tokens';
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
    ended: {} as never,
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

test('every kind of problem is documented where it may come', () => {
  const text = JSON.stringify(document.paths);
  const elsewhere = ['method-not-allowed', 'too-many-sockets'];
  expect(problemKinds.filter((kind) => !text.includes(`"${problemType(kind)}"`))).toEqual(elsewhere);
});
