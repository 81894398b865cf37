import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { lastValueFrom } from 'rxjs';
import { start, until } from '../../support/comfyui/client/comfyui-client';
import { ask, asking, closeAll, proxied, refusal } from './asking';

afterEach(closeAll);

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
