import { once } from 'node:events';
import { inspect } from 'node:util';
import { asyncScheduler, NEVER, Subject, type SchedulerLike, type Subscription } from 'rxjs';
import { WebSocketServer } from 'ws';
import { serverAddress } from '../../sources/server-address';
import { defaultSocketTiming, SocketClosed, webSocketSession, type SocketTiming } from '../../sources/session';
import type { BoardEvent } from '../../streams/board/board';
import type { Session } from '../../streams/changes/job-changes';
import type { ComfyUIVersion } from '../support/comfyui/versions';
import { steps, twoOutputs } from '../support/comfyui/workflows';
import { finished, start, stopAll, submit, until } from '../support/comfyui/client/comfyui-client';
import { talkingServer } from '../support/network/talking-server';
import { tcpProxy, type TcpProxy } from '../support/network/tcp-proxy';
import { loginProxy } from '../system/service/login-proxy';

const versions: readonly ComfyUIVersion[] = ['0.3.30', '0.3.64', '0.33.0'];
const CLIENT = 'a client';

const listeners: Listening[] = [];
const proxies: Pick<TcpProxy, 'close'>[] = [];

afterEach(async () => {
  for (const { subscription } of listeners.splice(0)) subscription.unsubscribe();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopAll();
});

type Tag = BoardEvent['tag'];
type Event<T extends Tag> = Extract<BoardEvent, { readonly tag: T }>;

/** Everything one socket brought. */
interface Listening {
  readonly events: readonly BoardEvent[];
  readonly reports: readonly (readonly [where: string, error: unknown])[];
  readonly subscription: Subscription;
  readonly reopen$: Subject<void>;
  readonly stop$: Subject<void>;
  of<T extends Tag>(tag: T): readonly Event<T>[];
  /** The error it ended with, or `completed`; absent while it lives. */
  end(): unknown;
  /** Resolves with its end. */
  ended(): Promise<unknown>;
}

interface Options {
  readonly timing?: Partial<SocketTiming>;
  readonly clock?: SchedulerLike;
}

function listen(url: string, { timing, clock = asyncScheduler }: Options = {}): Listening {
  const reports: [string, unknown][] = [];
  const session: Session = webSocketSession({
    address: serverAddress(url),
    clientId: CLIENT,
    clock,
    report: (where, error) => reports.push([where, error]),
    timing: { ...defaultSocketTiming, ...timing },
  });
  const events: BoardEvent[] = [];
  const reopen$ = new Subject<void>();
  const stop$ = new Subject<void>();
  let end: unknown;
  const subscription = session.connect(reopen$, stop$).subscribe({
    next: (event) => events.push(event),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'completed'),
  });
  const listening: Listening = {
    events,
    reports,
    subscription,
    reopen$,
    stop$,
    of: <T extends Tag>(tag: T) => events.filter((event): event is Event<T> => event.tag === tag),
    end: () => end,
    ended: async () => {
      await until(() => end !== undefined);
      return end;
    },
  };
  listeners.push(listening);
  return listening;
}

const linked = async (listening: Listening): Promise<Listening> => {
  await until(() => listening.of('linked').length === 1);
  return listening;
};

async function proxied(url: string): Promise<TcpProxy> {
  const proxy = await tcpProxy(url);
  proxies.push(proxy);
  return proxy;
}

/** What tells of steps: servers that send snapshots say the same by `progress`, which is then not read. */
const progress = (socket: Listening) => [...socket.of('stepped'), ...socket.of('snapshot')];

const fields = { client_id: CLIENT };
const long = () => steps({ steps: 200, secondsPerStep: 0.02 });

/** Real time, and how many of its timers are waiting. */
function countingClock(): SchedulerLike & { waiting(): number } {
  const timers = new Set<Subscription>();
  const schedule = (...timing: Parameters<SchedulerLike['schedule']>): Subscription => {
    const timer = asyncScheduler.schedule(...timing);
    timers.add(timer);
    return timer;
  };
  return {
    now: () => asyncScheduler.now(),
    schedule,
    waiting: () => [...timers].filter(({ closed }) => !closed).length,
  };
}

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

describe('its end', () => {
  test('stop completes it once the handshake is over', async () => {
    const server = await start();
    const socket = await linked(listen(server.url));
    socket.stop$.next();
    expect(socket.end()).toBeUndefined();
    expect(await socket.ended()).toBe('completed');
    expect(socket.of('unlinked')).toMatchObject([{ clean: true }]);
    await until(() => server.sockets() === 0);
  });

  test('stop counts for more than reopen, whichever came first', async () => {
    const server = await start();
    const one = await linked(listen(server.url));
    one.reopen$.next();
    one.stop$.next();
    const other = await linked(listen(server.url));
    other.stop$.next();
    other.reopen$.next();
    expect([await one.ended(), await other.ended()]).toEqual(['completed', 'completed']);
  });

  test('stop during the opening handshake completes it as well', async () => {
    const server = await start({ faults: { hangRoutes: ['/ws'] } });
    const proxy = await proxied(server.url);
    const socket = listen(proxy.url);
    await until(() => proxy.open() === 1);
    socket.stop$.next();
    expect(await socket.ended()).toBe('completed');
    expect(socket.events).toEqual([]);
    await until(() => proxy.open() === 0);
  });

  test('unsubscribing leaves no socket, no timer and no word behind', async () => {
    const server = await start();
    const clock = countingClock();
    const socket = await linked(listen(server.url, { clock }));
    await submit(server, long(), fields);
    await until(() => progress(socket).length > 0);
    expect(clock.waiting()).toBeGreaterThan(0);
    socket.subscription.unsubscribe();
    const seen = socket.events.length;
    expect([clock.waiting(), socket.reopen$.observed, socket.stop$.observed]).toEqual([0, false, false]);
    await until(() => server.sockets() === 0);
    expect([socket.events.length, socket.end()]).toEqual([seen, undefined]);
  });

  test('unsubscribing during the opening handshake leaves no connection', async () => {
    const server = await start({ faults: { hangRoutes: ['/ws'] } });
    const proxy = await proxied(server.url);
    const clock = countingClock();
    const socket = listen(proxy.url, { clock });
    await until(() => proxy.open() === 1);
    socket.subscription.unsubscribe();
    await until(() => proxy.open() === 0);
    expect([clock.waiting(), socket.events, socket.end()]).toEqual([0, [], undefined]);
  });

  test('a server that does not answer the closing handshake is cut off', async () => {
    const server = await start();
    const proxy = await proxied(server.url);
    const socket = await linked(listen(proxy.url, { timing: { closeMs: 100 } }));
    proxy.pause();
    socket.reopen$.next();
    expect(await socket.ended()).toMatchObject({ requested: true });
    expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
  });
});

test('a server that does not answer the closing handshake keeps nobody waiting who takes the session up', async () => {
  const server = await start();
  const proxy = await proxied(server.url);
  const socket = await linked(listen(proxy.url, { timing: { closeMs: 2 ** 30, stopMs: 100 } }));
  proxy.pause();
  socket.stop$.next();
  expect(await socket.ended()).toBe('completed');
  expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
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
    const socket = await linked(listen(server.url, { timing: { pingMs: 50, silentMs: 700 } }));
    server.faults.deaf = true;
    const id = await submit(server, steps({ steps: 20 }), fields);
    await finished(server, id);
    expect([socket.end(), progress(socket)]).toEqual([undefined, []]);
  });

  test('a dead one is cut after that long', async () => {
    const server = await start();
    const proxy = await proxied(server.url);
    const socket = await linked(listen(proxy.url, { timing: { ...timing, silentMs: 250 } }));
    await until(() => socket.of('queueLength').length === 1);
    const began = performance.now();
    proxy.pause();
    expect(await socket.ended()).toMatchObject({ name: 'SocketClosed', requested: false });
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(200);
    expect(socket.of('unlinked')).toMatchObject([{ clean: false }]);
  });
});

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

test('nothing is opened before somebody subscribes', async () => {
  const server = await start();
  const address = serverAddress(server.url);
  const session = webSocketSession({ address, clientId: CLIENT, clock: asyncScheduler, report: () => undefined });
  void session.connect(NEVER, NEVER);
  await linked(listen(server.url));
  expect([session.clientId, server.sockets()]).toEqual([CLIENT, 1]);
});
