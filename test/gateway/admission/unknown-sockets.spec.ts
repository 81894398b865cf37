import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { io } from 'socket.io-client';
import { networkOf } from '../../../gateway/admission/network';
import { refusalLog } from '../../../gateway/admission/refusal-log';
import { asking } from '../support/http/asking';
import { client, connected, heard, refused } from '../support/sockets/client';
import { eventually } from '../../support/until';
import { runningGateway, type RunningGateway } from '../support/running-gateway';
import { testAuth, tokenOf } from '../support/admission/tokens';

const log: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(line) });
let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth, logger, rates: { requestsPerMinute: 0 } });
});
afterEach(() => void (log.length = 0));
afterAll(() => gateway.close());

const socketsUrl = (): string => `${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
/** A bare connection, as engine.io speaks. */
async function bare(): Promise<{ socket: WebSocket; texts: string[]; closed: Promise<unknown> }> {
  const socket = new WebSocket(socketsUrl());
  const texts: string[] = [];
  socket.on('message', (bytes: Buffer) => texts.push(bytes.toString()));
  const closed = once(socket, 'close');
  await once(socket, 'open');
  await eventually(() => expect(texts[0]).toMatch(/^0/));
  return { socket, texts, closed };
}
const refusals = (texts: readonly string[]): readonly string[] => texts.filter((text) => text.startsWith('44'));

test('who shows no token hears why, and the connection is closed', async () => {
  const { socket, texts, closed } = await bare();
  socket.send('40');
  await closed;
  expect(refusals(texts)).toEqual([expect.stringContaining('"unauthorized"')]);
});

test('a client is told first, then cut: its token’s fault by name', async () => {
  const expired = client(gateway, await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' }));
  await expect(refused(expired)).rejects.toMatchObject({
    message: 'The token has expired.',
    data: { code: 'unauthorized' },
  });
});

test('[R16] thousands of CONNECT packets are not looked at: a few, and the connection is closed', async () => {
  for (const packet of ['40', '40{"token":"x"}', '40/nowhere,', '40/a,{"token":1}']) {
    const { socket, texts, closed } = await bare();
    for (let n = 0; n < 5_000 && socket.readyState === WebSocket.OPEN; n += 1) socket.send(packet);
    await closed;
    expect(refusals(texts).length).toBeLessThanOrEqual(4);
  }
  (await connected(gateway, await tokenOf({ sub: 'ada' }))).disconnect();
});

/** A socket that has been closed takes nothing more. */
const ignored = (): void => undefined;
test.each([
  ['pongs of engine.io', (socket: WebSocket) => socket.send('3', ignored)],
  ['pings', (socket: WebSocket) => socket.ping('x'.repeat(125), true, ignored)],
  ['pongs', (socket: WebSocket) => socket.pong('x'.repeat(125), true, ignored)],
])('[R16] who shows no token is not listened to for long, whatever comes: %s', async (_, send) => {
  const { socket, closed } = await bare();
  await sendingUntil(closed, () => send(socket));
  // Cut, not closed after 10 s as one that says nothing is.
  expect(await closed).toEqual([1006, expect.anything()]);
});
const turn = () => new Promise<false>((resolve) => setImmediate(resolve, false));
/** Sends on, and leaves the other end time to read. */
async function sendingUntil(closed: Promise<unknown>, send: () => void): Promise<void> {
  const ended = closed.then(() => true);
  while (!(await Promise.race([ended, turn()]))) for (let n = 0; n < 1_000; n += 1) send();
}

test('[R16] of who has shown a token, frames that are no messages count too', async () => {
  const { connection, hears, says } = await stubborn();
  says(`40${JSON.stringify({ token: await tokenOf({ sub: 'ada' }) })}`);
  await hears(/40\{"sid"/);
  await flooded(connection, '431[]');
  await eventually(() => expect(log.join()).toContain('it sends too much'));
});

test('[R16] who has shown a token and leaves is not connected any longer, where no limit counts it', async () => {
  const { socket, texts, closed } = await bare();
  // Engine.io's pings, without an answer to which it would be cut after 45 s.
  socket.on('message', (bytes: Buffer) => {
    if (bytes.toString() === '2') socket.send('3');
  });
  socket.send(`40${JSON.stringify({ token: await tokenOf({ sub: 'ada' }) })}`);
  await eventually(() => expect(texts.some((text) => text.startsWith('40'))).toBe(true));
  socket.send('41');
  await closed;
});

test('[R16] nobody moves a socket to another connection, where neither its token’s end nor a limit would reach it', async () => {
  const { socket, texts } = await bare();
  socket.send(`40${JSON.stringify({ token: await tokenOf({ sub: 'ada' }) })}`);
  await eventually(() => expect(texts.some((text) => text.startsWith('40'))).toBe(true));
  const [, sid = ''] = /"sid":"([^"]+)"/.exec(texts[0] ?? '') ?? [];
  await expect(once(new WebSocket(`${socketsUrl()}&sid=${sid}`), 'open')).rejects.toThrow('400');
  socket.terminate();
});

/** A connection whose other end does not answer when it is to close. */
async function stubborn() {
  const { hostname, port } = new URL(gateway.url);
  const connection = connect(Number(port), hostname).on('error', ignored);
  let heard = '';
  connection.setEncoding('latin1').on('data', (text: string) => (heard += text));
  const key = Buffer.alloc(16).toString('base64');
  const head = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  connection.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
  const hears = (what: RegExp): Promise<void> => eventually(() => expect(heard).toMatch(what));
  await hears(/0\{"sid"/);
  return { connection, hears, says: (text: string) => connection.write(masked(text)) };
}
/** A frame of text; the mask is zero. */
const masked = (text: string): Buffer => {
  const length = text.length < 126 ? [0x80 | text.length] : [0xfe, text.length >> 8, text.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), Buffer.from(text)]);
};
/** Sends on, a thousand at a time, until the connection is closed. Resolves with how many bytes that were. */
async function flooded(connection: Socket, text: string): Promise<number> {
  const block = Buffer.concat(Array.from({ length: 1_000 }, () => masked(text)));
  const closed = new Promise<true>((resolve) => connection.once('close', () => resolve(true)));
  let sent = 0;
  while (!(await Promise.race([closed, turn()]))) {
    if (connection.writableNeedDrain) continue;
    connection.write(block);
    sent += block.length;
  }
  return sent;
}
const CLOSE = /\x88[\x00\x02]/;

test.each(['is refused', 'leaves'])(
  '[R16] who %s, and does not let the connection be closed, is not listened to for long',
  async (how) => {
    const { connection, hears, says } = await stubborn();
    if (how === 'leaves') {
      says(`40${JSON.stringify({ token: await tokenOf({ sub: 'ada' }) })}`);
      await hears(/40\{"sid"/);
      says('41');
    } else says('40');
    await hears(CLOSE);
    // In the 30 s after which the server broke such a connection it took over 300 MB.
    expect(await flooded(connection, '3')).toBeLessThan(16 << 20);
  },
);

test('a page of an origin that ORIGINS does not name leaves a line that says so, one a minute', async () => {
  for (let times = 0; times < 3; times += 1) {
    const socket = client(gateway, await tokenOf({ sub: 'ada' }), { Origin: 'https://app.example.com' });
    await heard(socket, 'connect_error');
    await asking(gateway)('GET', '/jobs', { headers: { Origin: 'https://app.example.com' } });
  }
  const lines = log.filter((line) => line.includes('ORIGINS'));
  expect(lines).toEqual([expect.stringContaining('https://app.example.com')]);
});

test('a Socket.IO client with its default transports leaves a line that says what to set', async () => {
  const socket = io(gateway.url, { reconnection: false, forceNew: true });
  await heard(socket, 'connect_error');
  socket.disconnect();
  expect(log.filter((line) => line.includes("transports: ['websocket']"))).toHaveLength(1);
});

test('[R16] who invents origins fills no log', () => {
  let now = 0;
  const refusals = refusalLog(logger, () => now);
  for (let n = 0; n < 1_000; n += 1) refusals.origin(`https://${n}.example${'x'.repeat(5_000)}`);
  expect(log).toHaveLength(20);
  expect(log.join().length).toBeLessThan(20_000);
  now = 60_000;
  refusals.origin('https://later.example');
  expect(log).toHaveLength(21);
});

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:4711', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['[::ffff:203.0.113.7]:4711', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::9]:4711', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ['nonsense', 'nonsense'],
  ['', ''],
])('a caller at %s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
