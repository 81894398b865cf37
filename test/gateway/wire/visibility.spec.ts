import { randomUUID } from 'node:crypto';
import { steps } from '../../support/comfyui/workflows';
import { asking, type Answer } from '../support/http/asking';
import { connected, join } from '../support/sockets/client';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

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
  ['GET', '/curves', {}],
  ['POST', '/report', { body: { count: 1 } }],
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

test('[R14] only services take up what somebody else posted; a user’s own is theirs, and ComfyUI is not asked', async () => {
  const strange = await postedBySomebody(gateway.comfy.url);
  for (const id of [adasJob, strange, randomUUID()])
    expect(await ask('PUT', `/jobs/${id}`, { body: tracked('bob'), token: bob })).toMatchObject({ status: 404 });
  expect(await ask('PUT', `/jobs/${adasJob}`, { body: tracked('ada'), token: ada })).toMatchObject({
    status: 200,
    json: { promptId: adasJob },
  });
  // While ComfyUI is silent, too.
  gateway.comfy.faults.status = { httpStatus: 502, body: '<html>' };
  const unseen = await ask('PUT', `/jobs/${adasJob}`, { body: tracked('bob'), token: bob });
  const missing = await ask('PUT', `/jobs/${randomUUID()}`, { body: tracked('bob'), token: bob });
  gateway.comfy.faults.status = undefined;
  expect(unseen.status).toBe(404);
  expect(seen(unseen)).toEqual(seen(missing));
  expect(await ask('PUT', `/jobs/${strange}`, { body: tracked('carol'), token: service })).toMatchObject({
    status: 200,
    json: { userId: 'carol' },
  });
  expect(await ask('GET', `/jobs/${strange}`, { token: bob })).toMatchObject({ status: 404 });
});

/** A job that another program posted to ComfyUI. */
async function postedBySomebody(comfyUrl: string): Promise<string> {
  const answer = await fetch(`${comfyUrl}/prompt`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ prompt: steps(), client_id: 'somebody' }),
  });
  return ((await answer.json()) as { prompt_id: string }).prompt_id;
}

test('[R13] users know servers by name, services by their URL too; a job may be sent to either', async () => {
  const { url } = gateway.comfy;
  const read = async (token: string) => (await ask('GET', `/jobs/${adasJob}`, { token })).json;
  expect(await read(ada)).toMatchObject({ server: 'server-1' });
  expect(await read(ada)).not.toHaveProperty('serverUrl');
  expect(await read(service)).toMatchObject({ server: 'server-1', serverUrl: url });
  const post = (server: string, token: string) => ask('POST', '/jobs', { body: { ...request('ada'), server }, token });
  for (const [server, token, status] of [
    ['server-1', ada, 202],
    [url, ada, 400],
    ['http://127.0.0.1:1', ada, 400],
    ['server-2', ada, 400],
    ['server-1', service, 202],
    [url, service, 202],
    [`${url}/`, service, 202],
  ] as const) {
    const answer = await post(server, token);
    expect([server, answer.status]).toEqual([server, status]);
    if (token === ada) expect(`${answer.text} ${answer.headers['location'] ?? ''}`).not.toContain(url);
    if (status === 202) await settled(gateway.pipeline, String(answer.json['promptId']));
  }
  const [theirs, none] = [await post(url, ada), await post('http://127.0.0.1:1', ada)];
  expect(seen(theirs)).toEqual(seen(none));
  // Everywhere else, too.
  const socket = await connected(gateway, ada);
  for (const text of [
    (await ask('GET', '/jobs', { token: ada })).text,
    (await ask('GET', `/jobs/${adasJob}/events`, { token: ada })).text,
    JSON.stringify(await join(socket, adasJob)),
    JSON.stringify(await new Promise((resolve) => socket.emit('jobs:watch', resolve))),
  ]) {
    expect(text).toMatch(/server-1|"jobs":\[\]/);
    expect(text).not.toContain(new URL(url).host);
  }
  socket.disconnect();
});

test('GET /me tells who one is, and until when', async () => {
  expect((await ask('GET', '/me', { token: ada })).json).toEqual({
    user: 'ada',
    service: false,
    tokens: true,
    expiresAt: expect.any(Number) as number,
  });
  expect((await ask('GET', '/me', { token: service })).json).toMatchObject({ user: 'service', service: true });
  expect(await ask('GET', '/me')).toMatchObject({ status: 401 });
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
  expect(((await listed('', ada)) as { userId: string }[]).every(({ userId }) => userId === 'ada')).toBe(true);
  expect(await listed('?userId=ada', service)).toEqual(
    expect.arrayContaining([expect.objectContaining({ promptId: adasJob })]),
  );
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
      headers: { 'www-authenticate': expect.stringMatching(/^Bearer\b/) as string },
    });
    expect((await ask('GET', '/jobs', bearer)).status).toBe(401);
    expect((await ask('POST', '/jobs', { body: huge, ...bearer }).catch(() => ({ status: 401 }))).status).toBe(401);
  }
});

test('a refused token is told why, and nothing of itself', async () => {
  const late = await tokenOf({ sub: 'ada', nbf: Math.floor(Date.now() / 1000) + 600 });
  for (const [token, why] of [
    [await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' }), 'The token has expired.'],
    [late, 'The token is not valid yet.'],
    [`${late}x`, "The token's signature is wrong."],
    ['nonsense', 'The token is no signed JWT.'],
  ] as const) {
    const { headers, json } = await ask('GET', '/jobs', { token });
    expect(headers['www-authenticate']).toBe(`Bearer error="invalid_token", error_description="${why}"`);
    expect(json['detail']).toBe(why.replace("'", '’'));
  }
  expect((await ask('GET', '/jobs')).headers['www-authenticate']).toBe('Bearer');
});

test('health needs no token, but only services learn the servers’ URLs', async () => {
  expect(await ask('GET', '/livez')).toMatchObject({ status: 200 });
  expect((await ask('GET', '/readyz')).text).not.toContain(gateway.comfy.url);
  expect((await ask('GET', '/readyz', { token: ada })).text).not.toContain(gateway.comfy.url);
  expect((await ask('GET', '/readyz', { token: service })).text).toContain(gateway.comfy.url);
});

test('[R13] an input goes to a server by its name; to users, its URL is as any wrong name', async () => {
  const { url } = gateway.comfy;
  const headers = { 'Content-Type': 'application/octet-stream' };
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const upload = async (server: string, token: string) => {
    const query = new URLSearchParams({ filename: 'a.png', server });
    const init = { method: 'POST', headers: { ...headers, authorization: `Bearer ${token}` }, body: png };
    const answer = await fetch(`${gateway.url}/inputs?${query.toString()}`, init);
    return { status: answer.status, text: await answer.text() };
  };
  expect(await upload('server-1', ada)).toMatchObject({ status: 201 });
  expect(await upload(url, service)).toMatchObject({ status: 201 });
  expect(await upload(url, ada)).toEqual(await upload('http://127.0.0.1:1', ada));
  expect(await upload(url, ada)).toMatchObject({ status: 400 });
});
