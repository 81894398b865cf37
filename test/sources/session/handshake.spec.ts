import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { asyncScheduler, NEVER } from 'rxjs';
import { serverAddress } from '../../../sources/server-address';
import { SocketClosed, webSocketSession } from '../../../sources/session';
import { start, until } from '../../support/comfyui/client/comfyui-client';
import { loginProxy } from '../../system/service/login-proxy';
import { CLIENT, linked, listen, proxies, stopListening } from './listening';

afterEach(stopListening);

describe('a handshake', () => {
  test.each([502, 404, 200])(
    'that is answered with %i is an error, and no socket was ever there',
    async (httpStatus) => {
      const server = await start({ faults: { status: { httpStatus, body: '<html>', routes: ['/ws'] } } });
      const socket = listen(server.url);
      const error = (await socket.ended()) as SocketClosed;
      expect([error.name, error.requested, socket.events]).toEqual(['SocketClosed', false, []]);
      expect(error.message).toContain(String(httpStatus));
    },
  );

  test('[R16] that is answered with informational answers without end is given up at once', async () => {
    const server = createServer((connection) => {
      const more = (): void => {
        while (!connection.destroyed && connection.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)));
      };
      connection.on('error', () => undefined).on('drain', more);
      connection.once('data', more);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = listen(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', message: 'too many informational answers' });
    server.close();
  });

  test('that nobody answers ends after its time', async () => {
    const server = await start({ faults: { hangRoutes: ['/ws'] } });
    const socket = listen(server.url, { timing: { handshakeMs: 100 } });
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', requested: false });
    expect(socket.events).toEqual([]);
  });

  test('that is refused', async () => {
    const server = await start();
    await server.kill();
    expect(await listen(server.url).ended()).toMatchObject({
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  test('carries the login, which no error shows', async () => {
    const server = await start();
    const proxy = await loginProxy(server.url);
    proxies.push(proxy);
    const stranger = listen(proxy.url);
    expect(await stranger.ended()).toMatchObject({ message: expect.stringContaining('401') as string });
    const socket = await linked(listen(proxy.loginUrl));
    await until(() => socket.of('queueLength').length === 1);
    expect(socket.of('queueLength')[0]).toMatchObject({ serverUrl: proxy.url });
    server.faults.status = { httpStatus: 502, body: '' };
    const refused = listen(proxy.loginUrl);
    await refused.ended();
    await proxy.close();
    proxies.splice(0);
    await socket.ended();
    const shown = inspect([socket.end(), refused.end(), socket.events, socket.reports], { depth: 20 });
    for (const secret of proxy.secrets) expect(shown).not.toContain(secret);
  });
});

test('nothing is opened before somebody subscribes', async () => {
  const server = await start();
  const address = serverAddress(server.url);
  const session = webSocketSession({ address, clientId: CLIENT, clock: asyncScheduler, report: () => undefined });
  void session.connect(NEVER, NEVER);
  await linked(listen(server.url));
  expect([session.clientId, server.sockets()]).toEqual([CLIENT, 1]);
});
