import { createServer, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { lastValueFrom } from 'rxjs';
import type { Browser } from 'playwright-core';
import { jobstream } from '../../../gateway/client';
import { startChromium } from '../../support/programs/chromium';
import { steps } from '../../support/comfyui/workflows';
import { asking } from '../support/http/asking';
import { jobIn, openScreen } from '../support/dashboard/screen';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { testAuth, tokenOf } from '../support/admission/tokens';

/** A reverse proxy that passes on what stands under a path, and nothing else; with `strips`, without that path. */
async function pathProxy(
  target: string,
  base: string,
  strips: boolean,
  more: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const { hostname, port } = new URL(target);
  const passed = (url = '') => (url.startsWith(`${base}/`) ? (strips ? url.slice(base.length) : url) : undefined);
  const server = createServer((asked, answer) => {
    const path = passed(asked.url);
    if (path === undefined) return void answer.writeHead(404).end('not under the path');
    const { method, headers } = asked;
    const onwards = httpRequest({ hostname, port, path, method, headers: { ...headers, ...more } }, (got) => {
      answer.writeHead(got.statusCode!, got.headers);
      got.pipe(answer);
    });
    onwards.on('error', () => answer.destroy());
    asked.pipe(onwards);
  });
  server.on('upgrade', (asked, socket) => {
    const path = passed(asked.url);
    if (path === undefined) return void socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const onwards = connect(Number(port), hostname, () => {
      const headers = Object.entries({ ...asked.headers, ...more }).map(([name, value]) => `${name}: ${String(value)}`);
      onwards.write([`GET ${path} HTTP/1.1`, ...headers, '', ''].join('\r\n'));
      onwards.pipe(socket).pipe(onwards);
    });
    onwards.on('error', () => socket.destroy());
    socket.on('error', () => onwards.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const service = { sub: 'app', role: 'service' };
const body = { workflow: steps(), type: 'image_generation', userId: 'ada' };

let browser: Browser;
beforeAll(async () => {
  browser = await startChromium();
});
afterAll(() => browser.close());

describe.each<
  [name: string, strips: boolean, told: Parameters<typeof runningGateway>[0], header: Record<string, string>]
>([
  ['the proxy leaves the path, BASE_PATH names it', false, { basePath: '/comfy' }, {}],
  ['the proxy takes the path off, BASE_PATH names it', true, { basePath: '/comfy' }, {}],
  ['the proxy takes the path off and says so', true, { proxies: 1 }, { 'X-Forwarded-Prefix': '/comfy/' }],
])('%s', (_name, strips, told, header) => {
  let gateway: RunningGateway;
  let proxy: Server;
  let token: string;
  let ask: ReturnType<typeof asking>;

  beforeAll(async () => {
    gateway = await runningGateway({ auth: testAuth, ...told });
    token = await tokenOf(service);
    proxy = await pathProxy(gateway.url, '/comfy', strips, header);
    ask = (method, path, asked) => asking({ url: urlOf(proxy) })(method, path, { token, ...asked });
  });
  afterAll(async () => {
    proxy.close();
    proxy.closeAllConnections();
    await gateway.close();
  });

  test('what it names is under the path', async () => {
    const posted = await ask('POST', '/comfy/jobs', { body });
    const promptId = String(posted.json['promptId']);
    expect(posted).toMatchObject({ status: 202, headers: { location: `/comfy/jobs/${promptId}` } });
    expect((await ask('GET', posted.headers['location']!)).status).toBe(200);
    expect((await ask('GET', '/comfy/openapi.json')).json).toMatchObject({ servers: [{ url: '/comfy' }] });
    expect((await ask('GET', '/comfy/asyncapi.json')).json).toMatchObject({
      channels: { socket: { address: '/comfy/socket.io/' } },
    });
    await asked(promptId);
    const { url } = (await ask('POST', `/comfy/jobs/${promptId}/outputs/0/url`)).json as { url: string };
    expect(url.startsWith(`/comfy/jobs/${promptId}/outputs/0?signature=`)).toBe(true);
    expect((await ask('GET', url)).headers['content-type']).toBe('image/png');
  });

  const asked = async (promptId: string) => {
    const client = jobstream({ url: `${urlOf(proxy)}/comfy/`, token: () => token });
    const last = await lastValueFrom(client.watchJob(promptId));
    const output = await fetch(await client.outputUrl(promptId, 0));
    expect(output.status).toBe(200);
    await output.arrayBuffer();
    client.close();
    expect(last).toMatchObject({ promptId, status: 'completed' });
  };

  test('the dashboard works there', async () => {
    const { json } = await ask('POST', '/comfy/jobs', { body });
    const { page, troubles } = await openScreen(browser);
    const strays: string[] = [];
    page.on('request', (sent) => {
      if (!new URL(sent.url()).pathname.startsWith('/comfy/') && sent.url().startsWith('http')) strays.push(sent.url());
    });
    await page.goto(`${urlOf(proxy)}/comfy/#token=${token}`);
    await jobIn(page, String(json['promptId'])).waitFor();
    await page.locator('text=Completed').first().waitFor();
    expect({ strays, troubles }).toEqual({ strays: [], troubles: [] });
    await page.close();
  });
});

test('who forgets the slash is sent to the dashboard', async () => {
  const gateway = await runningGateway({ basePath: '/comfy' });
  const answer = await fetch(`${gateway.url}/comfy`, { redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([308, '/comfy/']);
  expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
  expect((await fetch(`${gateway.url}/comfyx/livez`)).status).toBe(404);
  await gateway.close();
});

test.each(['/jobs', '/me', '/inputs', '/metrics'])(
  '%s may be the path, and what stands under it is served',
  async (basePath) => {
    const gateway = await runningGateway({ basePath });
    const ask = asking(gateway);
    const posted = await ask('POST', `${basePath}/jobs`, { body });
    const promptId = String(posted.json['promptId']);
    expect(posted).toMatchObject({ status: 202, headers: { location: `${basePath}/jobs/${promptId}` } });
    expect(await ask('GET', `${basePath}/jobs?limit=1`)).toMatchObject({ status: 200, json: { jobs: [{ promptId }] } });
    expect(await ask('GET', `${basePath}/me`)).toMatchObject({ status: 200, json: { service: true } });
    expect((await ask('GET', `${basePath}/metrics`)).text).toContain('jobstream_');
    expect(await ask('POST', `${basePath}/inputs`)).toMatchObject({ status: 400 });
    const bare = await fetch(`${gateway.url}${basePath}?x=1`, { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, `${basePath}/`]);
    await gateway.close();
  },
);

test('the path is taken off once, also of a request that offers another protocol', async () => {
  const gateway = await runningGateway({ basePath: '/jobs' });
  const { hostname, port, host } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const offer = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAAAAIAAAAA'];
  socket.write(['GET /jobs/jobs HTTP/1.1', `Host: ${host}`, ...offer, '', ''].join('\r\n'));
  let answer = '';
  for await (const bytes of socket) answer += String(bytes);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await gateway.close();
});

test('what a stranger says of the path is believed of a proxy only, and only where it is a path', async () => {
  const auth = testAuth;
  const [open, proxied] = [await runningGateway({ auth }), await runningGateway({ auth, proxies: 1 })];
  const prefixOf = async (gateway: RunningGateway, prefix: string) =>
    (
      (await asking(gateway)('GET', '/openapi.json', { headers: { 'X-Forwarded-Prefix': prefix } })).json as {
        servers: { url: string }[];
      }
    ).servers[0]!.url;
  expect(await prefixOf(open, '/comfy')).toBe('/');
  for (const bad of ['//evil.example', 'https://evil.example', '/a b', '/', '/\\evil.example', `/${'x'.repeat(300)}`])
    expect(await prefixOf(proxied, bad)).toBe('/');
  expect(await prefixOf(proxied, '/comfy')).toBe('/comfy');
  await Promise.all([open.close(), proxied.close()]);
});
