import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { twoOutputs } from '../../support/comfyui/workflows';
import { start, submit, until } from '../../support/comfyui/client/comfyui-client';
import { talkingServer } from '../../support/network/talking-server';
import {
  CLIENT,
  fields,
  linked,
  listen,
  listeners,
  long,
  progress,
  proxied,
  stopListening,
  versions,
} from './listening';

afterEach(stopListening);

describe('a socket', () => {
  test('[R16] ends with a text frame of 16 MiB, which no ComfyUI sends; a smaller one is dropped', async () => {
    const server = await talkingServer();
    const socket = await linked(listen(server.url));
    server.say(`{"type":"${'x'.repeat(5 << 20)}"}`);
    await until(() => socket.of('garbled').length === 1);
    expect(socket.end()).toBeUndefined();
    server.say(`{"type":"${'x'.repeat(17 << 20)}"}`);
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', requested: false });
    expect(socket.of('garbled')).toHaveLength(1);
    await server.close();
  });

  test('its first message is feature_flags; it is its client’s, and asks for no compression and sends no Origin', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const opened = once(server, 'connection');
    listen(`http://127.0.0.1:${(server.address() as { port: number }).port}/comfy/`);
    const [socket, { url, headers }] = (await opened) as [WebSocket, { url: string; headers: Record<string, string> }];
    const [first] = (await once(socket as never, 'message')) as [Buffer];
    expect(JSON.parse(first.toString())).toEqual({
      type: 'feature_flags',
      data: { supports_preview_metadata: true },
    });
    expect(url).toBe('/comfy/ws?clientId=a%20client');
    expect([headers['origin'], headers['sec-websocket-extensions']]).toEqual([undefined, undefined]);
    listeners[0]!.subscription.unsubscribe();
    server.close();
    await once(server, 'close');
  });

  test.each([
    ['abrupt', false],
    ['clean', true],
  ] as const)('tells when it is open and when it is gone: %s', async (how, clean) => {
    const server = await start();
    const socket = await linked(listen(server.url));
    await until(() => socket.of('queueLength').length === 1);
    server.dropSockets(how);
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', requested: false });
    const [first, ...others] = socket.events.map(({ tag }) => tag);
    expect([first, others.at(-1), others.includes('linked')]).toEqual(['linked', 'unlinked', false]);
    expect(socket.of('unlinked')).toMatchObject([{ clientId: CLIENT, clean }]);
  });

  test.each(versions)('%s: what its frames say', async (version) => {
    const server = await start({ version, timeScale: 0.2 });
    const socket = await linked(listen(server.url));
    const promptId = await submit(server, twoOutputs(), fields);
    await until(() => socket.of('succeeded').length === 1);
    const ofJob = socket.events.filter((event) => 'promptId' in event && event.tag !== 'previewed');
    expect(new Set(ofJob.map((event) => 'promptId' in event && event.promptId))).toEqual(new Set([promptId]));
    expect(ofJob.slice(0, 2)).toMatchObject([{ tag: 'started' }, { tag: 'cached', nodeIds: [] }]);
    expect(socket.of('executed').map(({ nodeId }) => nodeId)).toEqual(['6', '4']);
    expect(socket.of('executed').flatMap(({ outputs }) => outputs)).toMatchObject([
      { nodeId: '6', kind: 'images', type: 'temp' },
      { nodeId: '4', kind: 'images', type: 'output' },
    ]);
    if (version === '0.3.30') expect(socket.of('stepped').at(-1)).toMatchObject({ nodeId: '5', value: 5, max: 5 });
    else {
      expect(socket.of('stepped')).toEqual([]);
      expect(socket.of('snapshot').at(-1)?.nodes).toContainEqual(
        expect.objectContaining({ id: '5', value: 5, max: 5 }),
      );
    }
    expect(socket.of('snapshot').length > 0).toBe(version !== '0.3.30');
    expect(socket.of('queueLength').length).toBeGreaterThanOrEqual(2);
    let heardAt = 0;
    for (const event of socket.events) {
      if (event.tag === 'heard') heardAt = event.at;
      else if (event.tag !== 'linked' && 'at' in event) expect(event.at).toBeLessThanOrEqual(heardAt);
    }
    expect(socket.reports).toEqual([]);

    // Only newer servers say whose previews they are.
    const whose = version === '0.3.30' ? [undefined, undefined] : [promptId, '2'];
    const previews = socket.of('previewed');
    expect(previews.map((preview) => [preview.promptId, preview.nodeId])).toEqual([whose, whose, whose, whose]);
    for (const { mimeType, image } of previews)
      expect([mimeType, Buffer.from(image.subarray(0, 3)).toString('hex')]).toEqual(['image/jpeg', 'ffd8ff']);
  });

  test('a job with a failure, and one that is interrupted', async () => {
    const server = await start();
    const socket = await linked(listen(server.url));
    const promptId = await submit(server, long(), fields);
    await until(() => progress(socket).length > 0);
    await fetch(`${server.url}/interrupt`, { method: 'POST', body: JSON.stringify({ prompt_id: promptId }) });
    await until(() => socket.of('broke').length === 1);
    expect(socket.of('broke')).toMatchObject([{ promptId, failure: { kind: 'interrupted', nodeId: '2' } }]);
  });
});

describe('[R9] frames that cannot be read', () => {
  test('are reported and told of, and the stream goes on', async () => {
    const server = await start({ faults: { malformedFrames: true }, timeScale: 0.3 });
    const socket = await linked(listen(server.url));
    const promptId = await submit(server, twoOutputs(), fields);
    await until(() => socket.of('succeeded').length === 1);
    // One report a second and kind, and every frame is told of.
    expect(socket.of('garbled').length).toBeGreaterThan(5);
    expect(socket.reports.length).toBeGreaterThan(0);
    expect(socket.reports.length).toBeLessThan(socket.of('garbled').length);
    expect(socket.of('garbled')[0]).toMatchObject({ clientId: CLIENT });
    for (const report of socket.reports)
      expect(report).toEqual(['frame', expect.objectContaining({ name: 'MalformedFrame' })]);
    expect(socket.of('executed').map(({ promptId: of, nodeId }) => [of, nodeId])).toEqual([
      [promptId, '6'],
      [promptId, '4'],
    ]);
  });
});

test('late frames of a socket that was given up reach nobody', async () => {
  const server = await start();
  const proxy = await proxied(server.url);
  const socket = await linked(listen(proxy.url));
  await submit(server, long(), fields);
  await until(() => progress(socket).length > 0);
  proxy.pause();
  socket.subscription.unsubscribe();
  const seen = socket.events.length;
  proxy.resume();
  await until(() => proxy.open() === 0);
  expect(socket.events).toHaveLength(seen);
});
