import { WebSocket } from 'ws';
import { Client, finished, get, start, stopAll, submit, until } from './comfyui-client';
import type { History, Queue } from './comfyui-client';
import * as workflows from '../workflows';

afterEach(stopAll);

const long = () => workflows.steps({ steps: 200 });
const short = () => workflows.steps({ steps: 2, secondsPerStep: 0.02 });

/** Resolves once the server has answered a ping. */
const ponged = (client: Client): Promise<unknown> => {
  const pong = new Promise((resolve) => client.socket.once('pong', resolve));
  client.socket.ping();
  return pong;
};

describe('faults', () => {
  test('a proxy answers everything, handshakes too, or only some routes', async () => {
    const server = await start({ faults: { status: { httpStatus: 502, body: '<html>Bad Gateway</html>' } } });
    const answer = await fetch(`${server.url}/queue`);
    expect([answer.status, await answer.text()]).toEqual([502, '<html>Bad Gateway</html>']);
    await expect(Client.connect(server)).rejects.toThrow('502');
    server.faults.status = { httpStatus: 503, body: '', routes: ['/history'] };
    expect((await fetch(`${server.url}/history`)).status).toBe(503);
    expect((await fetch(`${server.url}/queue`)).status).toBe(200);
    await Client.connect(server);
  });

  test('busy: nothing is answered, then everything in its order', async () => {
    const server = await start();
    const client = await Client.connect(server);
    server.faults.mostSteps = 1;
    const id = await submit(server, workflows.steps({ steps: 6 }));
    await until(() => client.of('progress').length > 0);
    // Nothing is on its way any more.
    await ponged(client);
    server.faults.busy(0.5);
    server.faults.mostSteps = Infinity;
    const began = Date.now();
    const heardAt: number[] = [];
    client.socket.on('message', () => heardAt.push(Date.now() - began));
    const pong = ponged(client).then(() => Date.now() - began);
    const handshake = Client.connect(server, 'other').then(() => Date.now() - began);
    const answer = get(server, '/queue').then(() => Date.now() - began);
    for (const waited of await Promise.all([pong, handshake, answer])) expect(waited).toBeGreaterThan(480);
    await until(() => client.isIdle());
    for (const waited of heardAt) expect(waited).toBeGreaterThan(480);
    const values = client.of('progress').map(({ data }) => Number(data['value']));
    expect(values).toEqual([...new Set(values)].sort((a, b) => a - b));
    expect([values[0], values.at(-1)]).toEqual([1, 6]);
    expect(server.executions.get(id)).toBe(1);
  });

  test('deaf: sockets stay open, answer pings and get no frames', async () => {
    const server = await start();
    const client = await Client.connect(server);
    await until(() => client.raw.length > 0);
    server.faults.deaf = true;
    const id = await submit(server, short());
    await finished(server, id);
    await ponged(client);
    expect([client.raw.length, server.sockets()]).toEqual([1, 1]);
  });

  test('a body comes late, or not whole', async () => {
    const server = await start({ faults: { slowBodyMs: 200, giantQueue: 3 } });
    const began = Date.now();
    const queue = await get<Queue>(server, '/queue');
    expect(Date.now() - began).toBeGreaterThan(190);
    expect(queue.queue_pending.map((item) => Object.keys(item[2] as object).length)).toEqual([60, 60, 60]);
    server.faults.bodyTruncate = true;
    await expect(get(server, '/queue')).rejects.toThrow();
  });

  test('a route hangs', async () => {
    const server = await start({ faults: { hangRoutes: ['/queue', '/ws'] } });
    const hung = fetch(`${server.url}/queue`, { signal: AbortSignal.timeout(1_000) });
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { handshakeTimeout: 1_000 });
    const unopened = new Promise((_, reject) => socket.once('error', reject));
    await Promise.all([expect(hung).rejects.toThrow('timeout'), expect(unopened).rejects.toThrow('timed out')]);
    expect(server.requests).toEqual([{ method: 'GET', path: '/queue' }]);
    expect((await fetch(`${server.url}/prompt`)).status).toBe(200);
  });

  test('the answer to a prompt is lost, before or after it was queued', async () => {
    const server = await start({ faults: { loseAnswer: 'before', loseAnswerTimes: 1 } });
    await expect(submit(server, short())).rejects.toThrow();
    const kept = await submit(server, short());
    server.faults.loseAnswer = 'after';
    server.faults.loseAnswerTimes = 1;
    await expect(submit(server, short())).rejects.toThrow();
    await until(async () => Object.keys(await get<History>(server, '/history')).length === 2);
    expect([...server.executions.values()]).toEqual([1, 1]);
    expect(server.executions.has(kept)).toBe(true);
    expect(server.faults.lostAnswers).toBe(2);
  });

  test('a job is finished, still in the queue, and not yet in the history', async () => {
    const server = await start({ faults: { historyDelayMs: 3_600_000 } });
    const client = await Client.connect(server);
    const id = await submit(server, short());
    await until(() => client.of('execution_success').length === 1);
    expect(await get(server, `/history/${id}`)).toEqual({});
    expect((await get<Queue>(server, '/queue')).queue_running).toHaveLength(1);
  });

  test('frames that nobody can read come in between', async () => {
    const server = await start({ faults: { malformedFrames: true } });
    const client = await Client.connect(server);
    await submit(server, short());
    await until(() => client.isIdle());
    expect(client.raw).toContain('[1, 2]');
    expect(client.binary.some(({ length }) => length === 1)).toBe(true);
  });

  test('without the trap, a late close leaves the newer socket alone', async () => {
    const server = await start({ faults: { staleSocketTrap: false } });
    const old = await Client.connect(server);
    const next = await Client.connect(server);
    old.socket.terminate();
    await until(() => server.sockets() === 1);
    await submit(server, short());
    await until(() => next.of('execution_success').length === 1);
  });

  test('a queued job vanishes without a frame', async () => {
    const server = await start();
    const client = await Client.connect(server);
    await submit(server, long());
    const waiting = await submit(server, short());
    await until(() => client.of('status').length === 4);
    expect([server.deleteFromQueue(waiting), server.deleteFromQueue(waiting)]).toEqual([true, false]);
    expect((await get<Queue>(server, '/queue')).queue_pending).toEqual([]);
    expect(client.of('status')).toHaveLength(4);
  });
});

describe('lifecycle', () => {
  test('dropped abruptly or cleanly', async () => {
    const server = await start();
    for (const [how, code] of [
      ['abrupt', 1006],
      ['clean', 1001],
    ] as const) {
      const client = await Client.connect(server);
      const closed = client.closed();
      server.dropSockets(how);
      expect(await closed).toBe(code);
    }
    await until(() => server.sockets() === 0);
  });

  test('killed: refuses; started again: remembers all but the job that ran', async () => {
    const server = await start();
    const done = await submit(server, short());
    await finished(server, done);
    const running = await submit(server, long());
    const waiting = await submit(server, short());
    const closed = (await Client.connect(server)).closed();
    await server.kill();
    expect(await closed).toBe(1006);
    await expect(fetch(`${server.url}/queue`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await server.start();
    await finished(server, waiting);
    expect(Object.keys(await get<History>(server, '/history'))).toEqual([done, waiting]);
    expect([done, running, waiting].map((id) => server.executions.get(id))).toEqual([1, 1, 1]);
  });

  test('restarted: remembers nothing', async () => {
    const server = await start();
    const done = await submit(server, short());
    await finished(server, done);
    await submit(server, long());
    await submit(server, long());
    await server.restart();
    // The connection that fetch kept is cut, which it may learn only by trying.
    await until(async () => (await fetch(server.url).catch(() => undefined)) !== undefined);
    expect(await get<History>(server, '/history')).toEqual({});
    expect(await get<Queue>(server, '/queue')).toEqual({ queue_running: [], queue_pending: [] });
    expect(server.executedWorkflows.map(({ clientId }) => clientId)).toEqual(['client', 'client']);
  });
});
