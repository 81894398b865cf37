import { SocketClosed } from '../../../sources/session';
import { start, submit, until } from '../../support/comfyui/client/comfyui-client';
import { CLIENT, fields, linked, listen, long, progress, stopListening, versions } from './listening';

afterEach(stopListening);

describe('the next socket', () => {
  test.each(versions)('%s: has the same client, so that the running job’s frames go on', async (version) => {
    const server = await start({ version });
    const first = await linked(listen(server.url));
    const promptId = await submit(server, long(), fields);
    await until(() => progress(first).length > 0);
    server.dropSockets('abrupt');
    await first.ended();
    const next = await linked(listen(server.url));
    await until(() => progress(next).length > 0);
    expect(next.of('resumed')).toMatchObject([{ clientId: CLIENT, nodeId: '2' }]);
    expect(progress(next)[0]).toMatchObject({ promptId });
    expect(next.of('started')).toEqual([]);
  });

  test('[R7] is opened after the old one closed with the handshake, and so is no prey of the trap', async () => {
    const server = await start();
    const first = await linked(listen(server.url));
    await submit(server, long(), fields);
    await until(() => progress(first).length > 0);
    first.reopen$.next();
    const error = (await first.ended()) as SocketClosed;
    expect([error.name, error.requested]).toEqual(['SocketClosed', true]);
    expect(first.of('unlinked')).toMatchObject([{ clean: true }]);
    expect(server.sockets()).toBe(0);
    const next = await linked(listen(server.url));
    await until(() => progress(next).length > 2);
    expect(server.sockets()).toBe(1);
  });
});
