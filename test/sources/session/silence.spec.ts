import { steps } from '../../support/comfyui/workflows';
import { finished, start, submit, until } from '../../support/comfyui/client/comfyui-client';
import { fields, linked, listen, long, progress, proxied, stopListening } from './listening';

afterEach(stopListening);

describe('silence', () => {
  const timing = { pingMs: 30, silentMs: 1_500 };

  test('a server that is busy for many pings is not cut, and its frames come when it is free', async () => {
    const server = await start();
    const socket = await linked(listen(server.url, { timing }));
    await submit(server, long(), fields);
    await until(() => progress(socket).length > 0);
    server.faults.busy(0.6);
    await server.faults.free();
    const steps = progress(socket).length;
    await until(() => progress(socket).length > steps + 2);
    expect([socket.end(), socket.of('unlinked')]).toEqual([undefined, []]);
  });

  test('no frame for long, but answers to pings, is life', async () => {
    const server = await start();
    const socket = await linked(listen(server.url, { timing: { pingMs: 50, silentMs: 1_500 } }));
    server.faults.deaf = true;
    const id = await submit(server, steps({ steps: 20, secondsPerStep: 0.1 }), fields);
    await finished(server, id);
    expect([socket.end(), progress(socket)]).toEqual([undefined, []]);
  });

  test('a dead one is cut after that long', async () => {
    const server = await start();
    const proxy = await proxied(server.url);
    const began = performance.now();
    const socket = await linked(listen(proxy.url, { timing: { ...timing, silentMs: 700 } }));
    await until(() => socket.of('queueLength').length === 1);
    proxy.pause();
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', requested: false });
    // It was heard of after it began.
    expect(performance.now() - began).toBeGreaterThan(690);
    expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
  });
});
