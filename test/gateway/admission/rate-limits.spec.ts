import { randomUUID } from 'node:crypto';
import { request as sendTo } from 'node:http';
import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { steps } from '../../support/comfyui/workflows';
import { asking } from '../support/http/asking';
import { client, connected, heard, join, refused, statesOf, type Client } from '../support/sockets/client';
import { eventually } from '../../support/until';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { inOneSecond } from '../support/admission/one-second';
import { testAuth, tokenOf } from '../support/admission/tokens';

const log: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(line) });
let gateway: RunningGateway | undefined;
let ada: string, bob: string, service: string;

beforeAll(async () => {
  [ada, bob, service] = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ sub: 'ada', role: 'service' }),
  ]);
});
afterEach(async () => {
  log.length = 0;
  await gateway?.close();
  gateway = undefined;
});

const opened = async (rates: object, more = {}): Promise<RunningGateway> =>
  (gateway = await runningGateway({ auth: testAuth, logger, rates, ...more }));

describe('over HTTP', () => {
  test('a user gets so many answers a minute and is told how many are left; others do not notice', async () => {
    const ask = asking(await opened({ requestsPerMinute: 3 }));
    for (const left of [2, 1, 0]) {
      const { status, headers } = await ask('GET', '/jobs', { token: ada });
      expect(status).toBe(200);
      expect(headers['ratelimit-policy']).toBe('"requests";q=3;w=60');
      expect(headers['ratelimit']).toMatch(new RegExp(`^"requests";r=${left};t=\\d+$`));
    }
    const over = await ask('GET', `/jobs/${randomUUID()}`, { token: ada });
    expect(over).toMatchObject({
      status: 429,
      headers: { 'content-type': 'application/problem+json; charset=utf-8' },
      json: { type: 'urn:comfyui-jobstream:problem:too-many-requests', status: 429 },
    });
    expect(Number(over.headers['retry-after'])).toBeGreaterThan(0);
    expect(over.headers['ratelimit']).toMatch(/^"requests";r=0;t=\d+$/);
    expect((await ask('GET', '/jobs', { token: bob })).status).toBe(200);
  });

  test('a service, of the same name even, is never told to ask less; nor is who asks for health', async () => {
    const ask = asking(await opened({ requestsPerMinute: 1 }));
    for (let times = 0; times < 5; times += 1) {
      const { status, headers } = await ask('GET', '/jobs', { token: service });
      expect([status, headers['ratelimit']]).toEqual([200, undefined]);
      expect((await ask('GET', '/livez')).status).toBe(200);
    }
    expect((await ask('GET', '/jobs', { token: ada })).status).toBe(200);
  });

  test('who has no valid token is counted by address, refused sockets too, and hampers nobody who has one', async () => {
    const ask = asking(await opened({ requestsPerMinute: 2 }));
    await expect(refused(client(gateway!, 'nonsense'))).rejects.toMatchObject({ data: { code: 'unauthorized' } });
    expect((await ask('GET', '/jobs', { token: 'nonsense' })).status).toBe(401);
    expect((await ask('GET', '/jobs', { token: 'nonsense' })).status).toBe(429);
    expect((await ask('GET', '/openapi.json')).status).toBe(429);
    await expect(refused(client(gateway!, 'nonsense'))).rejects.toMatchObject({ data: { code: 'too-many-requests' } });
    expect((await ask('GET', '/jobs', { token: ada })).status).toBe(200);
    const socket = await connected(gateway!, ada);
    socket.disconnect();
  });

  test('what comes to the path of sockets without being one counts, too', async () => {
    const ask = asking(await opened({ requestsPerMinute: 2 }));
    expect((await ask('GET', '/socket.io/?EIO=4&transport=polling')).status).toBe(400);
    expect((await ask('POST', '/socket.io/?EIO=4&transport=websocket&sid=x')).status).toBe(400);
    expect((await ask('GET', '/socket.io/?EIO=4&transport=polling')).status).toBe(429);
  });

  test('behind a proxy it is the address that the proxy adds, whatever was sent to it', async () => {
    await opened({ requestsPerMinute: 1 }, { proxies: 1 });
    const statusFrom = (forwarded: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const asked = sendTo(`${gateway!.url}/openapi.json`, {
          headers: { 'X-Forwarded-For': forwarded },
          agent: false,
        });
        asked.once('error', reject).once('response', (response) => resolve(response.resume().statusCode));
        asked.end();
      });
    expect(await statusFrom('10.0.0.1')).toBe(200);
    expect(await statusFrom('10.9.9.9, 10.0.0.1')).toBe(429);
    expect(await statusFrom('10.9.9.9:1, 10.0.0.1:4711')).toBe(429);
    expect(await statusFrom('10.0.0.2')).toBe(200);
  });

  test('without tokens there is no such limit', async () => {
    const ask = asking(await opened({ requestsPerMinute: 1 }, { auth: openAuth }));
    for (let times = 0; times < 5; times += 1) expect((await ask('GET', '/jobs')).status).toBe(200);
  });
});

describe('over sockets', () => {
  const codes = (replies: readonly unknown[]): readonly (string | undefined)[] =>
    replies.map((reply) => (reply as { error?: { code: string } }).error?.code);
  const watch = (socket: Client): Promise<unknown> => new Promise((resolve) => socket.emit('jobs:watch', resolve));

  test('all sockets of a user together may join four times as often as one; another user is not hampered', async () => {
    await opened({ joinsPerSecond: 2 });
    const { promptId } = await gateway!.pipeline.submit({ workflow: steps(), type: 'x', userId: 'ada' });
    await settled(gateway!.pipeline, promptId);
    const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(gateway!, ada)));
    const other = await connected(gateway!, bob);
    const [others, ...replies] = await inOneSecond(async () => {
      const joins = sockets.flatMap((socket) => [join(socket, promptId), join(socket, promptId)]);
      const joined = await Promise.all(joins);
      return [await watch(other), ...joined];
    });
    expect(codes(replies).filter((code) => code === undefined)).toHaveLength(8);
    expect(codes(replies).filter((code) => code === 'too-many-requests')).toHaveLength(8);
    expect(codes([others])).toStrictEqual([undefined]);
    [...sockets, other].forEach((socket) => socket.disconnect());
  });

  test('a socket may join so often a second; what is refused may be asked again', async () => {
    await opened({ joinsPerSecond: 3 });
    const { promptId } = await gateway!.pipeline.submit({ workflow: steps(), type: 'x', userId: 'ada' });
    await settled(gateway!.pipeline, promptId);
    const socket = await connected(gateway!, ada);
    const joins = () => Array.from({ length: 4 }, () => join(socket, promptId));
    const replies = await inOneSecond(() => Promise.all([join(socket, promptId), watch(socket), ...joins()]));
    expect(codes(replies).slice(0, 3)).toStrictEqual([undefined, undefined, undefined]);
    expect(codes(replies).slice(3)).toEqual(Array.from({ length: 3 }, () => 'too-many-requests'));
    let reply: unknown;
    await eventually(async () => {
      reply = await join(socket, promptId);
      expect(reply).toMatchObject({ ok: true });
    });
    socket.disconnect();
  });

  test('messages of any kind count, and are served in the order in which they came', async () => {
    await opened({ messagesPerSecond: 5 });
    gateway!.comfy.faults.mostSteps = 3;
    const { promptId } = await gateway!.pipeline.submit({ workflow: steps(), type: 'x', userId: 'ada' });
    const socket = await connected(gateway!, ada);
    const states = statesOf(socket);
    const replies = await inOneSecond(async () => {
      const first = join(socket, promptId);
      socket.emit('job:leave', promptId);
      for (const event of ['nonsense', 'constructor', 'nonsense', 'job:leave', 'nonsense']) socket.emit(event, {});
      return [await first, await join(socket, promptId)];
    });
    gateway!.comfy.faults.mostSteps = Infinity;
    expect(codes(replies)[1]).toBe('too-many-requests');
    await settled(gateway!.pipeline, promptId);
    // The leave came after the join.
    expect(states).toEqual([]);
    expect(log.join()).not.toContain('cut a socket');
    socket.disconnect();
  });

  test('a leave is served whatever was sent before: each seat of the socket is free again', async () => {
    await opened({ messagesPerSecond: 64, joinsPerSecond: 0 });
    const open = () => gateway!.pipeline.open({ type: 'x', userId: 'ada', reported: {} });
    const ids = (await Promise.all(Array.from({ length: 65 }, open))).map(({ promptId }) => promptId);
    const socket = await connected(gateway!, ada);
    expect(codes(await Promise.all(ids.slice(0, 64).map((id) => join(socket, id))))).toEqual(
      ids.slice(1).map(() => undefined),
    );
    for (let n = 0; n < 80; n += 1) socket.emit('nonsense');
    for (const id of ids.slice(0, 64)) socket.emit('job:leave', id);
    let code: string | undefined;
    await eventually(async () => {
      [code] = codes([await join(socket, ids[64])]);
      expect(code).not.toBe('too-many-requests');
    });
    expect(code).toBeUndefined();
    expect(log.join()).not.toContain('cut a socket');
    socket.disconnect();
  });

  test('who floods on is cut', async () => {
    await opened({ messagesPerSecond: 10 });
    const [flooding, other] = [await connected(gateway!, ada), await connected(gateway!, bob)];
    const over = heard(flooding, 'disconnect');
    for (let n = 0; n < 200; n += 1) flooding.emit('nonsense');
    await over;
    expect(log.filter((line) => line.includes('cut a socket'))).toEqual([expect.stringContaining('it sends too much')]);
    expect(codes([await join(other, randomUUID())])).toEqual(['unknown-job']);
    other.disconnect();
  });

  test('a service may send ten times as much', async () => {
    await opened({ joinsPerSecond: 2 });
    const socket = await connected(gateway!, service);
    const replies = await Promise.all(Array.from({ length: 20 }, () => join(socket, randomUUID())));
    expect(new Set(codes(replies))).toEqual(new Set(['unknown-job']));
    socket.disconnect();
  });

  test('a user may have so many sockets, until one of them closes; services as many as they like', async () => {
    await opened({ socketsPerUser: 2 });
    const [first, second] = [await connected(gateway!, ada), await connected(gateway!, ada)];
    await expect(refused(client(gateway!, ada))).rejects.toMatchObject({ data: { code: 'too-many-sockets' } });
    const others = [
      await connected(gateway!, bob),
      await connected(gateway!, service),
      await connected(gateway!, service),
    ];
    others.push(await connected(gateway!, service));
    first.disconnect();
    let third: Client | undefined;
    await eventually(async () => {
      third = await connected(gateway!, ada).catch(() => undefined);
      expect(third?.connected).toBe(true);
    });
    for (const socket of [second, third!, ...others]) socket.disconnect();
  });

  test('of sockets that come all at once no more are kept either', async () => {
    await opened({ socketsPerUser: 3 });
    const sockets = Array.from({ length: 12 }, () => client(gateway!, ada));
    await Promise.all(
      sockets.map((socket) => Promise.race([heard(socket, 'connect'), refused(socket)]).catch(() => 0)),
    );
    await eventually(() => expect(sockets.filter(({ connected: is }) => is)).toHaveLength(3));
    for (const socket of sockets) socket.disconnect();
  });
});
