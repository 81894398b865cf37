import { request } from 'undici';
import { steps } from '../../support/comfyui/workflows';
import { asking } from '../support/http/asking';
import { testAuth } from '../support/admission/tokens';
import { runningGateway, type RunningGateway } from '../support/running-gateway';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
const FRIEND = 'https://app.example.com';

beforeAll(async () => {
  gateway = await runningGateway({ origins: [FRIEND] });
  ask = asking(gateway);
});
afterAll(() => gateway.close());

const body = { workflow: steps(), type: 'image_generation', userId: 'ada' };

test('the dashboard may load its own scripts, styles and sockets, and nothing else', async () => {
  const { headers, text } = await ask('GET', '/');
  expect(headers['content-type']).toContain('text/html');
  expect(text).toMatch(/<script type="module" crossorigin src="\.\/assets\/index-[\w-]+\.js">/);
  expect(headers['content-security-policy']?.split(';')).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'self'",
      "img-src 'self' blob: data:",
      `connect-src 'self' ws://${new URL(gateway.url).host} wss://${new URL(gateway.url).host}`,
      "frame-ancestors 'none'",
    ]),
  );
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  });
  expect(headers).not.toHaveProperty('x-powered-by');
});

test('the dashboard is served as it is shipped: with no path of the machine that built it', async () => {
  const [, script = ''] = /src="\.(\/assets\/index-[\w-]+\.js)"/.exec((await ask('GET', '/')).text) ?? [];
  const { status, text } = await ask('GET', script);
  expect(status).toBe(200);
  expect(text.length).toBeGreaterThan(10_000);
  expect(text).not.toContain('gateway/dashboard');
});

test('a Host that is no host adds nothing to the policy', async () => {
  const guarded = await runningGateway({ auth: testAuth });
  for (const host of ['evil.example *', "x;script-src 'unsafe-inline'", '*']) {
    const { headers, body: answer } = await request(`${guarded.url}/`, { headers: { host } });
    await answer.dump();
    expect(String(headers['content-security-policy']).split(';')).toContain("connect-src 'self' 'self'");
  }
  await guarded.close();
});

test('without tokens, what came through a proxy is refused, and told what to set', async () => {
  const through = (headers: Record<string, string>) => ask('GET', '/jobs', { headers });
  expect(await through({ 'X-Forwarded-For': '203.0.113.7' })).toMatchObject({
    status: 403,
    json: { detail: expect.stringContaining('JWT_SECRET') as string },
  });
  expect((await through({ Forwarded: 'for=203.0.113.7' })).status).toBe(403);
  expect((await through({})).status).toBe(200);
});

test('a foreign page may do nothing', async () => {
  for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
    const headers = { Origin: origin };
    expect(await ask('POST', '/jobs', { body, headers })).toMatchObject({
      status: 403,
      headers: { vary: expect.stringContaining('Origin') as string },
    });
    const read = await ask('GET', '/jobs', { headers });
    expect(read.status).toBe(403);
    expect(read.headers).not.toHaveProperty('access-control-allow-origin');
    expect(
      (await ask('OPTIONS', '/jobs', { headers: { ...headers, 'Access-Control-Request-Method': 'POST' } })).status,
    ).toBe(403);
  }
  expect(gateway.comfy.executedWorkflows).toEqual([]);
});

test('an allowed page may ask and read', async () => {
  const preflight = {
    Origin: FRIEND,
    'Access-Control-Request-Method': 'PUT',
    'Access-Control-Request-Headers': 'authorization',
  };
  expect(await ask('OPTIONS', '/jobs', { headers: preflight })).toMatchObject({
    status: 204,
    headers: {
      'access-control-allow-origin': FRIEND,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT',
      'access-control-allow-headers':
        'Authorization, Content-Type, Idempotency-Key, If-Modified-Since, If-None-Match, If-Range, Last-Event-ID, Range',
    },
  });
  expect(await ask('GET', '/jobs', { headers: { Origin: FRIEND } })).toMatchObject({
    status: 200,
    headers: { 'access-control-allow-origin': FRIEND },
  });
});

test('its own page may ask', async () => {
  expect((await ask('GET', '/jobs', { headers: { Origin: gateway.url } })).status).toBe(200);
});

test.each(['evil.example', 'evil.example:8787', '10.0.0.1'])(
  'without tokens, a request for %s is refused: its DNS name was rebound',
  async (host) => {
    for (const path of ['/', '/jobs', '/readyz']) {
      const { statusCode, body: answer } = await request(gateway.url + path, { headers: { host } });
      await answer.dump();
      expect(statusCode).toBe(403);
    }
  },
);

test('the dashboard’s folder is all that is served of the disk', async () => {
  for (const path of ['/../http.ts', '/..%2fhttp.ts', '/%2e%2e/http.ts', '/.env', '/app.js.map']) {
    const { statusCode, body: answer } = await request(gateway.url + path);
    await answer.dump();
    expect(statusCode).toBeGreaterThanOrEqual(400);
  }
});
