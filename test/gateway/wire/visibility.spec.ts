import { randomUUID } from 'node:crypto';
import { steps } from '../../support/comfyui/workflows';
import { asking, type Answer } from '../support/asking';
import { connected, join } from '../support/client';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/tokens';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
let ada: string, bob: string, service: string;
let adasJob: string;

beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth });
  ask = asking(gateway);
  [ada, bob, service] = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ role: 'service' }),
  ]);
  const posted = await ask('POST', '/jobs', { body: request('ada'), token: ada });
  adasJob = String(posted.json['promptId']);
  await settled(gateway.pipeline, adasJob);
});
afterAll(() => gateway.close());

const tracked = (userId: string) => ({ type: 'image_generation', userId });
const request = (userId: string) => ({ ...tracked(userId), workflow: steps() });

/** All that a client can tell apart, besides how often it asked. */
const seen = ({ status, headers: { date: _, ratelimit: __, ...headers }, text }: Answer) => ({ status, headers, text });

test.each<[string, string, object]>([
  ['GET', '', {}],
  ['HEAD', '', {}],
  ['PUT', '', { body: tracked('bob') }],
  ['POST', '/cancel', {}],
  ['GET', '/nodes', {}],
  ['GET', '/outputs/0', {}],
  ['GET', '/outputs/99', {}],
  ['GET', '/outputs/x', {}],
  ['HEAD', '/outputs/0', {}],
])('[R14] %s /jobs/:promptId%s answers for another user’s job as for none', async (method, path, how) => {
  const unseen = await ask(method, `/jobs/${adasJob}${path}`, { ...how, token: bob });
  const missing = await ask(method, `/jobs/${randomUUID()}${path}`, { ...how, token: bob });
  expect(unseen.status).toBe(404);
  expect(seen(unseen)).toEqual(seen(missing));
});

test('[R14] tracking another user’s job while ComfyUI is silent answers as for none', async () => {
  gateway.comfy.faults.status = { httpStatus: 502, body: '<html>' };
  const unseen = await ask('PUT', `/jobs/${adasJob}`, { body: tracked('bob'), token: bob });
  const missing = await ask('PUT', `/jobs/${randomUUID()}`, { body: tracked('bob'), token: bob });
  gateway.comfy.faults.status = undefined;
  expect(unseen.status).toBe(502);
  expect(seen(unseen)).toEqual(seen(missing));
});

test('[R14] joining another user’s job answers as for none', async () => {
  const socket = await connected(gateway, bob);
  const unseen = await join(socket, adasJob);
  expect(unseen).toEqual(await join(socket, randomUUID()));
  expect(unseen).toMatchObject({ ok: false, error: { code: 'unknown-job' } });
  socket.disconnect();
});

test('the user and the service see it, over HTTP and sockets', async () => {
  for (const token of [ada, service]) {
    expect(await ask('GET', `/jobs/${adasJob}`, { token })).toMatchObject({ status: 200 });
    expect(await ask('GET', `/jobs/${adasJob}/outputs/0`, { token })).toMatchObject({ status: 200 });
    const socket = await connected(gateway, token);
    expect(await join(socket, adasJob)).toMatchObject({ ok: true, job: { status: 'completed' } });
    socket.disconnect();
  }
});

test('[R14] a list holds the viewer’s own jobs only, whoever is asked for', async () => {
  const listed = async (query: string, token: string) => (await ask('GET', `/jobs${query}`, { token })).json['jobs'];
  expect(await listed('', bob)).toEqual([]);
  expect(await listed('?userId=ada', bob)).toEqual([]);
  expect(await listed('', ada)).toHaveLength(1);
  expect(await listed('?userId=ada', service)).toHaveLength(1);
});

test('users submit and track as themselves only, services as anybody', async () => {
  const foreign = await ask('POST', '/jobs', { body: request('ada'), token: bob });
  expect(foreign).toMatchObject({ status: 403, json: { errors: [{ field: 'userId' }] } });
  expect(await ask('PUT', `/jobs/${randomUUID()}`, { body: tracked('ada'), token: bob })).toMatchObject({
    status: 403,
  });
  const posted = await ask('POST', '/jobs', { body: request('carol'), token: service });
  expect(posted.status).toBe(202);
  await settled(gateway.pipeline, String(posted.json['promptId']));
});

test('without a valid token nothing is told, and no body is read', async () => {
  const huge = 'x'.repeat(11 * 2 ** 20);
  for (const token of [undefined, 'nonsense', await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' })]) {
    const bearer = token === undefined ? {} : { token };
    expect(await ask('GET', `/jobs/${adasJob}`, bearer)).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
    expect((await ask('GET', '/jobs', bearer)).status).toBe(401);
    expect((await ask('POST', '/jobs', { body: huge, ...bearer }).catch(() => ({ status: 401 }))).status).toBe(401);
  }
});

test('health needs no token, but only services learn the servers’ URLs', async () => {
  expect(await ask('GET', '/livez')).toMatchObject({ status: 200 });
  expect((await ask('GET', '/readyz')).text).not.toContain(gateway.comfy.url);
  expect((await ask('GET', '/readyz', { token: ada })).text).not.toContain(gateway.comfy.url);
  expect((await ask('GET', '/readyz', { token: service })).text).toContain(gateway.comfy.url);
});
