import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { filter, firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import {
  jobstream,
  type Connection,
  type Jobstream,
  type JobstreamError,
  type JobState,
  type Token,
} from '../../../gateway/client';
import { steps, twoOutputs } from '../../support/comfyui/workflows';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';
import { eventually } from '../../support/until';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

let gateway: RunningGateway;
let network: TcpProxy;
const clients: Jobstream[] = [];

beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth });
  network = await tcpProxy(gateway.url);
});
afterEach(() => {
  clients.splice(0).forEach((client) => client.close());
  letGo();
});
afterAll(async () => {
  await network.close();
  await gateway.close();
});

const clientWith = (token?: Token): Jobstream => {
  const client = jobstream({ url: network.url, ...(token !== undefined && { token }) });
  clients.push(client);
  return client;
};
const clientOf = async (sub: string) => clientWith(await tokenOf({ sub }));
const submit = (workflow = steps(), userId = 'ada') =>
  gateway.pipeline.submit({ workflow, type: 'image_generation', userId });
const long = () => steps({ steps: 40, secondsPerStep: 0.05 });
/** Jobs go no further than this step until they are let go, however long it takes to look at them. */
const holdAt = (step: number): void => void (gateway.comfy.faults.mostSteps = step);
const letGo = (): void => holdAt(Infinity);
const inOrder = (numbers: readonly number[]) => expect(numbers).toEqual([...numbers].sort((a, b) => a - b));

test('a job is watched to its end through resets, and its progress never falls', async () => {
  const client = await clientOf('ada');
  holdAt(10);
  const { promptId } = await submit(long());
  const states: JobState[] = [];
  const end = lastValueFrom(client.watchJob(promptId));
  client.watchJob(promptId).subscribe((state) => states.push(state));
  for (const step of [10, 20, 30]) {
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(step - 10));
    network.reset();
    holdAt(step + 10);
  }
  expect(await end).toMatchObject({ promptId, status: 'completed', progress: 100, outputs: [{ nodeId: '4' }] });
  inOrder(states.map(({ progress }) => progress));
  inOrder(states.map(({ seq }) => seq));
  expect(JSON.stringify(states)).not.toContain('clientId');
});

test('what settled while the gateway was out of reach is told when it is back', async () => {
  const client = await clientOf('ada');
  holdAt(5);
  const { promptId } = await submit(long());
  const [job, mine] = [client.watchJob(promptId), client.watchMine()];
  const first = firstValueFrom(job);
  const ends = Promise.all([
    lastValueFrom(job),
    firstValueFrom(mine.pipe(filter((state) => state.promptId === promptId && state.status === 'completed'))),
  ]);
  await Promise.all([first, firstValueFrom(mine)]);
  network.refuse();
  network.reset();
  expect(await firstValueFrom(client.status$)).not.toBe('idle');
  letGo();
  await settled(gateway.pipeline, promptId);
  network.accept();
  expect(await ends).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
  expect(await lastValueFrom(client.watchJob(promptId).pipe(toArray()))).toMatchObject([{ status: 'completed' }]);
});

test('previews come with their place', async () => {
  const client = await clientOf('ada');
  holdAt(1);
  const { promptId } = await submit(twoOutputs());
  const previews = lastValueFrom(client.previews(promptId).pipe(toArray()));
  await firstValueFrom(client.watchJob(promptId));
  letGo();
  const [preview] = await previews;
  expect(preview).toMatchObject({ promptId, nodeId: '2', mimeType: 'image/jpeg' });
  expect(preview?.image).toBeInstanceOf(Uint8Array);
});

test('[R14] another user’s job is an error like one that is not there', async () => {
  const client = await clientOf('bob');
  const { promptId } = await submit();
  const errorOf = async (id: string) => {
    const error: unknown = await lastValueFrom(client.watchJob(id)).catch((caught: unknown) => caught);
    const { name, code, message } = error as JobstreamError;
    return { name, code, message };
  };
  const [unseen, missing] = [await errorOf(promptId), await errorOf(randomUUID())];
  expect(unseen).toEqual(missing);
  expect(unseen).toMatchObject({ name: 'JobstreamError', code: 'unknown-job' });
});

test('a token that is refused is an error by name; one from a function is asked for once more before', async () => {
  let asked = 0;
  const renewing = clientWith(() => `nonsense ${(asked += 1)}`);
  for (const client of [clientWith(), clientWith('nonsense'), renewing]) {
    await expect(lastValueFrom(client.watchJob('any'))).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await firstValueFrom(client.status$)).toBe('unauthorized');
  }
  expect(asked).toBe(2);
});

test('a token that ends is followed by the next, without a step back', async () => {
  const tokens: string[] = [];
  const client = clientWith(async () => {
    // One is no good, one cannot be had: both pass.
    if (tokens.length === 1) tokens.push('nonsense');
    else if (tokens.length === 2) tokens.push('none');
    else tokens.push(await tokenOf({ sub: 'ada' }, { expires: Math.floor(Date.now() / 1000) + 2 }));
    if (tokens.at(-1) === 'none') throw new Error('the token service is away');
    return tokens.at(-1)!;
  });
  holdAt(5);
  const { promptId } = await submit(long());
  const watched = lastValueFrom(client.watchJob(promptId).pipe(toArray()));
  await eventually(() => expect(tokens.length).toBeGreaterThan(3));
  letGo();
  const states = await watched;
  expect(states.at(-1)).toMatchObject({ status: 'completed' });
  inOrder(states.map(({ progress }) => progress));
});

test('watchMine has the user’s own jobs, the service’s all, from any on', async () => {
  holdAt(5);
  const mine = await submit(long());
  const others = await submit(steps(), 'bob');
  const [ada, service] = [await clientOf('ada'), clientWith(await tokenOf({ role: 'service' }))];
  const ended = (client: Jobstream) =>
    lastValueFrom(
      client.watchMine().pipe(
        filter(({ status }) => status === 'completed'),
        take(1),
        toArray(),
      ),
    );
  const all = lastValueFrom(
    service.watchMine().pipe(
      filter(({ status }) => status === 'completed'),
      take(2),
      toArray(),
    ),
  );
  const end = ended(ada);
  await Promise.all([ada, service].map((client) => firstValueFrom(client.watchMine())));
  letGo();
  expect(await end).toMatchObject([{ promptId: mine.promptId, userId: 'ada', progress: 100 }]);
  expect((await all).map(({ promptId }) => promptId)).toEqual([mine.promptId, others.promptId]);
});

test('why there is no connection is told, and gone when there is one', async () => {
  network.refuse();
  const client = clientWith(await tokenOf({ sub: 'ada' }));
  const connections: Connection[] = [];
  client.connection$.subscribe((connection) => connections.push(connection));
  const { promptId } = await submit();
  const end = lastValueFrom(client.watchJob(promptId));
  await eventually(() =>
    expect(connections.at(-1)).toMatchObject({ status: 'connecting', reason: { code: 'unreachable' } }),
  );
  const { since } = connections.find(({ status }) => status === 'connecting')!;
  expect(connections.at(-1)).toMatchObject({ since });
  network.accept();
  expect(await end).toMatchObject({ status: 'completed' });
  expect(connections.some(({ status, reason }) => status === 'connected' && reason === undefined)).toBe(true);
});

test('a token that cannot be had is told', async () => {
  const client = clientWith(() => Promise.reject(new Error('no session')));
  client.watchMine().subscribe({ error: () => undefined });
  const told = await firstValueFrom(client.connection$.pipe(filter(({ reason }) => reason !== undefined)));
  expect(told).toMatchObject({ status: 'connecting', reason: { code: 'no-token', cause: { message: 'no session' } } });
});

test('a token that fails after the next try, or after the end, changes nothing of what is told of the connection', async () => {
  const token = await tokenOf({ sub: 'ada' });
  const late: ((error: Error) => void)[] = [];
  const fetched = () => new Promise<string>((_resolve, reject) => void late.push(reject));
  let asked = 0;
  const client = clientWith(() => ((asked += 1) === 1 ? fetched() : token));
  const connections: Connection[] = [];
  client.connection$.subscribe((connection) => connections.push(connection));
  const watching = client.watchMine().subscribe();
  await eventually(() => expect(asked).toBe(1));
  network.reset();
  await eventually(() => expect(connections.at(-1)).toMatchObject({ status: 'connected' }));
  late[0]!(new Error('it took too long'));
  await sleep(0);
  expect(connections.at(-1)).toMatchObject({ status: 'connected' });
  expect(connections.map(({ reason }) => reason?.code)).not.toContain('no-token');
  watching.unsubscribe();

  const other = clientWith(fetched);
  const told: Connection[] = [];
  other.connection$.subscribe((connection) => told.push(connection));
  const leaving = other.watchMine().subscribe();
  await eventually(() => expect(late).toHaveLength(2));
  leaving.unsubscribe();
  await eventually(() => expect(told.at(-1)).toMatchObject({ status: 'idle' }));
  late[1]!(new Error('it took too long'));
  await sleep(0);
  expect(told.at(-1)).toMatchObject({ status: 'idle' });
});

test('a server that is no gateway is told, whatever it answers', async () => {
  const server = createServer((_asked, answer) => answer.setHeader('Content-Type', 'application/json').end('null'));
  server.on('upgrade', (_asked, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = jobstream({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  try {
    await expect(client.outputUrl('a', 0)).rejects.toMatchObject({ name: 'JobstreamError', code: 'no-answer' });
    client.watchMine().subscribe({ error: () => undefined });
    const { reason } = await firstValueFrom(client.connection$.pipe(filter((each) => each.reason !== undefined)));
    expect(reason).toMatchObject({ code: 'no-gateway' });
  } finally {
    client.close();
    server.close();
    server.closeAllConnections();
  }
});

test.each(['', 'jobs.example.com', 'ftp://jobs.example.com', 'http://'])('%p is no URL of a gateway', (url) => {
  expect(() => jobstream({ url })).toThrow(expect.objectContaining({ code: 'bad-url' }) as Error);
});

test('an output’s URL needs no token; of another’s there is none', async () => {
  const [ada, bob] = [await clientOf('ada'), await clientOf('bob')];
  const { promptId } = await submit();
  await settled(gateway.pipeline, promptId);
  const answer = await fetch(await ada.outputUrl(promptId, 0));
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png']);
  await answer.arrayBuffer();
  await expect(bob.outputUrl(promptId, 0)).rejects.toMatchObject({ name: 'JobstreamError', code: 'unknown-job' });
  await expect(ada.outputUrl(promptId, 9)).rejects.toMatchObject({ code: 'unknown-output' });
  await expect(clientWith().outputUrl(promptId, 0)).rejects.toMatchObject({ code: 'unauthorized' });
  const failing = () => {
    throw new Error('no session');
  };
  for (const token of [failing, () => Promise.reject(new Error('no session'))])
    await expect(clientWith(token).outputUrl(promptId, 0)).rejects.toMatchObject({
      ...{ name: 'JobstreamError', code: 'no-token', cause: { message: 'no session' } },
    });
});
