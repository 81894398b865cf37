import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inspect } from 'node:util';
import { lastValueFrom } from 'rxjs';
import { NoAnswer, read, rest, type Answer, type Rest, type RestLimits } from '../../../sources/rest/rest';
import { serverAddress } from '../../../sources/server-address';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';
import { loginProxy } from '../../system/service/login-proxy';

const clients: Rest[] = [];
const proxies: Pick<TcpProxy, 'close'>[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopAll();
});

const limits: RestLimits = { timeoutMs: 2_000, maxBytes: 64 << 20, breakAfter: 5 };

function asking(url: string, more: Partial<RestLimits> = {}): Rest {
  const client = rest(serverAddress(url), { ...limits, ...more });
  clients.push(client);
  return client;
}

async function proxied(url: string): Promise<TcpProxy> {
  const proxy = await tcpProxy(url);
  proxies.push(proxy);
  return proxy;
}

const ask = (client: Rest, path = '/prompt'): Promise<Answer> => lastValueFrom(client.get(path));

/** The `NoAnswer` that a request comes to. */
const refusal = async (answer: Promise<unknown>): Promise<NoAnswer> => {
  const error = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(NoAnswer);
  return error as NoAnswer;
};

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

describe('[R4] no answer', () => {
  test.each([500, 502, 503, 524, 429, 200, 404])('an HTML page with status %i, whoever sent it', async (httpStatus) => {
    const server = await start({ faults: { status: { httpStatus, body: '<html>Starting…</html>' } } });
    const client = asking(server.url);
    for (const answer of [ask(client), lastValueFrom(client.post('/prompt', '{}'))])
      expect(await refusal(answer)).toMatchObject({ maybeSent: true });
  });

  test('a server that hangs is given up in time, however much garbage is collected meanwhile', async () => {
    const server = await start();
    server.faults.hangRoutes = ['/'];
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const collecting = setInterval(collect, 20);
    const client = asking(server.url, { timeoutMs: 400 });
    expect((await refusal(lastValueFrom(client.get('/prompt')))).message).toBe('/prompt: timed out');
    clearInterval(collecting);
  });

  test('a server that does not answer in time, not even when it began to', async () => {
    const server = await start({ faults: { hangRoutes: ['/queue'], slowBodyMs: 5_000 } });
    const client = asking(server.url, { timeoutMs: 150 });
    for (const path of ['/queue', '/prompt'])
      expect(await refusal(ask(client, `${path}?a=b`))).toMatchObject({
        message: `${path}: timed out`,
        maybeSent: true,
      });
  });

  test('a time-out of its own for one post', async () => {
    const server = await start({ faults: { hangRoutes: ['/prompt'] } });
    const client = asking(server.url, { timeoutMs: 60_000 });
    expect((await refusal(lastValueFrom(client.post('/prompt', '{}', 100)))).message).toBe('/prompt: timed out');
  });

  test('a body that ends half way', async () => {
    const server = await start({ faults: { bodyTruncate: true, giantQueue: 2 } });
    expect(await refusal(ask(asking(server.url), '/queue'))).toMatchObject({ maybeSent: true });
  });

  test('one that is too large', async () => {
    const server = await start({ faults: { giantQueue: 20 } });
    expect(await refusal(ask(asking(server.url, { maxBytes: 65_536, timeoutMs: 60_000 }), '/queue'))).toMatchObject({
      message: '/queue: the answer is too large',
      maybeSent: true,
    });
    // 20 MiB take a busy machine their time.
    expect((await ask(asking(server.url, { timeoutMs: 60_000 }), '/queue')).status).toBe(200);
  });

  test('a connection that is cut after the request went out', async () => {
    const server = await start({ faults: { hangRoutes: ['/prompt'] } });
    const proxy = await proxied(server.url);
    const answer = refusal(ask(asking(proxy.url)));
    await until(() => server.requests.length === 1);
    proxy.reset();
    expect(await answer).toMatchObject({ maybeSent: true });
  });

  test('a connection that never was cannot have sent anything', async () => {
    const server = await start();
    await server.kill();
    expect(await refusal(ask(asking(server.url)))).toMatchObject({
      message: '/prompt: ECONNREFUSED',
      maybeSent: false,
    });
  });
});

describe('[R10] the breaker', () => {
  test('opens after failures in a row; then nothing is sent', async () => {
    const server = await start({ faults: { status: { httpStatus: 502, body: '' } } });
    const client = asking(server.url);
    for (let n = 0; n < 4; n++) await refusal(ask(client));
    server.faults.status = undefined;
    await ask(client);
    server.faults.status = { httpStatus: 502, body: '' };
    for (let n = 0; n < 5; n++) await refusal(ask(client));
    const asked = server.requests.length;
    const unasked = await refusal(lastValueFrom(client.post('/prompt', '{}')));
    expect(unasked).toMatchObject({
      message: '/prompt: not asked, the server has not been answering',
      maybeSent: false,
    });
    expect([asked, server.requests.length]).toEqual([10, 10]);
  });

  test('half-opens for one request at a time, and closes when that is answered', async () => {
    const server = await start({ faults: { status: { httpStatus: 502, body: '' } } });
    const client = asking(server.url, { breakAfter: 2 });
    await Promise.all([refusal(ask(client)), refusal(ask(client))]);
    await until(async () => {
      const before = server.requests.length;
      await Promise.all(Array.from({ length: 5 }, () => refusal(ask(client))));
      expect(server.requests.length - before).toBeLessThanOrEqual(1);
      return server.requests.length > before;
    });
    expect(client.answeredAt() > 0).toBe(false);
    server.faults.status = undefined;
    await until(() =>
      ask(client).then(
        () => true,
        () => false,
      ),
    );
    const before = server.requests.length;
    await Promise.all(Array.from({ length: 5 }, () => ask(client)));
    expect([client.answeredAt() > 0, server.requests.length - before]).toEqual([true, 5]);
  });

  test('refusals of ComfyUI’s own and requests given up say nothing against the server', async () => {
    const server = await start({ faults: { hangRoutes: ['/queue'] } });
    const client = asking(server.url, { breakAfter: 2 });
    for (let n = 1; n <= 4; n++) {
      const given = client.get('/queue').subscribe();
      await until(() => server.requests.length === n);
      given.unsubscribe();
    }
    expect((await ask(client, '/nothing')).status).toBe(404);
    for (let n = 0; n < 4; n++) expect((await lastValueFrom(client.post('/prompt', '{}'))).status).toBe(400);
    // Nor for it: a proxy answers so in the place of a server that is gone.
    expect(client.answeredAt()).toBe(0);
    await ask(client);
    expect(client.answeredAt() > 0).toBe(true);
    await ask(client, '/nothing');
    expect(client.answeredAt() > 0).toBe(true);
    client.disown();
    expect(client.answeredAt()).toBe(0);
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
  expect([client.url, proxy.passed()]).toEqual([proxy.url, 3]);

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
