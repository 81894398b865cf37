import { inspect } from 'node:util';
import { lastValueFrom } from 'rxjs';
import { read, type Answer } from '../../../sources/rest/rest';
import { start, until } from '../../support/comfyui/client/comfyui-client';
import { loginProxy } from '../../system/service/login-proxy';
import { ask, asking, closeAll, proxied, proxies, refusal } from './asking';

afterEach(closeAll);

describe('answers', () => {
  test('any status but 5xx and 429 is one, with its JSON or without', async () => {
    const client = asking((await start()).url);
    expect(await ask(client)).toEqual({ status: 200, json: { exec_info: { queue_remaining: 0 } } });
    expect(await ask(client, '/nothing')).toEqual({ status: 404, json: undefined });
    const refused = await lastValueFrom(client.post('/prompt', '{"no":"prompt"}'));
    expect(refused).toMatchObject({ status: 400, json: { error: { type: 'no_prompt' } } });
    expect(await lastValueFrom(client.post('/queue', '{"delete":[]}'))).toEqual({ status: 200, json: undefined });
  });

  test.each<[status: number, type: string, body: string, expected: Answer | string]>([
    [200, 'application/json; charset=utf-8', '{"a": 1}', { status: 200, json: { a: 1 } }],
    [200, '', '[]', { status: 200, json: [] }],
    [404, 'text/plain; charset=utf-8', '404: Not Found', { status: 404, json: undefined }],
    [404, 'application/json', '{"error": "Job not found"}', { status: 404, json: { error: 'Job not found' } }],
    [405, '', '', { status: 405, json: undefined }],
    [405, 'text/plain; charset=utf-8', '405: Method Not Allowed', { status: 405, json: undefined }],
    [404, 'text/plain; charset=utf-8', '404 page not found', "status 404 with a body that is not ComfyUI's"],
    [500, 'application/json', '{"error": "x"}', 'status 500'],
    [524, 'application/json', '{}', 'status 524'],
    [429, 'application/json', '{}', 'status 429'],
    [200, 'text/html', 'ok', 'an HTML page with status 200'],
    [404, 'text/html; charset=utf-8', '', 'an HTML page with status 404'],
    [404, 'application/octet-stream', ' \n<!DOCTYPE html><title>404', 'an HTML page with status 404'],
    [400, 'application/json', '<html>', 'an HTML page with status 400'],
    [200, 'application/json', '{"a": ', 'status 200 with a body that is no JSON'],
  ])('[R4] status %i, %s, %j', (status, type, body, expected) => {
    if (typeof expected !== 'string') expect(read(status, type, body)).toEqual(expected);
    else
      expect(() => read(status, type, body)).toThrow(
        expect.objectContaining({ name: 'NoAnswer', message: expected, maybeSent: true }) as Error,
      );
  });
});

test('unsubscribing aborts the request and frees its connection', async () => {
  const server = await start({ faults: { hangRoutes: ['/queue'] } });
  const proxy = await proxied(server.url);
  const client = asking(proxy.url);
  const told: unknown[] = [];
  const request = client.get('/queue').subscribe({
    next: (answer) => told.push(answer),
    error: (error: unknown) => told.push(error),
    complete: () => told.push('complete'),
  });
  await until(() => server.requests.length === 1);
  request.unsubscribe();
  await until(() => proxy.open() === 0);
  expect([told, client.answeredAt()]).toEqual([[], 0]);
});

test('nothing is asked before somebody subscribes, and anew for each who does', async () => {
  const server = await start();
  const answer$ = asking(server.url).get('/prompt');
  await ask(asking(server.url));
  expect(server.requests).toHaveLength(1);
  await lastValueFrom(answer$);
  await lastValueFrom(answer$);
  expect(server.requests).toHaveLength(3);
});

test('an output is opened unread; a server that is away is no answer', async () => {
  const server = await start();
  const client = asking(server.url);
  const { statusCode, body } = await client.open('/view?filename=none.png');
  expect(statusCode).toBe(404);
  await body.dump();
  await server.kill();
  expect(await refusal(client.open('/view?filename=none.png&token=t'))).toMatchObject({ maybeSent: false });
});

test('outputs may be larger than answers, and slow readers of them keep nobody waiting', async () => {
  const server = await start({ faults: { giantQueue: 50 } });
  const client = asking(server.url, { maxBytes: 65_536, timeoutMs: 20_000 });
  const opened = await Promise.all(Array.from({ length: 9 }, () => client.open('/queue')));
  expect((await ask(client)).status).toBe(200);
  const sizes = await Promise.all(opened.map(async ({ body }) => (await body.arrayBuffer()).byteLength));
  expect(Math.min(...sizes)).toBeGreaterThan(5e5);
});

test('the login and headers of one’s own go with each request, and are in no error', async () => {
  const server = await start();
  const proxy = await loginProxy(server.url);
  proxies.push(proxy);
  expect((await ask(asking(proxy.url))).status).toBe(401);
  const client = asking(proxy.loginUrl);
  expect((await ask(client)).status).toBe(200);
  expect((await lastValueFrom(client.post('/queue', '{}'))).status).toBe(200);
  const { body } = await client.open('/view?filename=none.png');
  await body.dump();
  expect(proxy.passed()).toBe(3);

  server.faults.status = { httpStatus: 502, body: '' };
  const errors = [await refusal(ask(client))];
  server.faults.status = undefined;
  server.faults.hangRoutes = ['/prompt'];
  errors.push(await refusal(ask(asking(proxy.loginUrl, { timeoutMs: 50 }))));
  await proxy.close();
  proxies.splice(0);
  errors.push(await refusal(ask(client)), await refusal(client.open('/view')));
  expect(errors).toHaveLength(4);
  const shown = inspect(errors, { depth: 20, showHidden: true });
  for (const secret of proxy.secrets) expect(shown).not.toContain(secret);
});
