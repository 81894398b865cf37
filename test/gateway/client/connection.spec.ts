import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { filter, firstValueFrom, lastValueFrom } from 'rxjs';
import { jobstream, type Connection } from '../../../gateway/client';
import { eventually } from '../../support/until';
import { tokenOf } from '../support/admission/tokens';
import { clientWith, closeClients, closeGateway, network, openGateway, submit } from './behind-proxy';

beforeAll(openGateway);
afterEach(closeClients);
afterAll(closeGateway);

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

test('[R18] an option that is not known is named', () => {
  const options = { url: 'https://jobs.example.com', tokn: 'x' };
  expect(() => jobstream(options)).toThrow(
    expect.objectContaining({ code: 'bad-option', message: 'tokn is no option: there are url and token.' }) as Error,
  );
});

test.each([[undefined], ['https://jobs.example.com']])('[R18] %p in place of the options is refused', (given) => {
  const options = given as unknown as Parameters<typeof jobstream>[0];
  expect(() => jobstream(options)).toThrow(
    expect.objectContaining({
      code: 'bad-option',
      message: expect.stringContaining('takes an object') as string,
    }) as Error,
  );
});
