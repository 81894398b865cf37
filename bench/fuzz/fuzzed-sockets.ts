import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { tokenOf } from '../../test/gateway/support/admission/tokens';
import { seeded, type Chance } from '../../test/system/seeded';

/** Something that the gateway did and must not. */
export class SocketFuzzFailure extends Error {
  override readonly name = 'SocketFuzzFailure';
}

export interface SocketFuzz {
  /** Sends so many messages over sockets that come and go. Resolves with how many sockets it took. */
  run(count: number): Promise<number>;
}

/** So many sockets at a time, each for so many messages at most. */
const LANES = 8;
const MOST_A_SOCKET = 60;
/** What must be in nothing that a client gets: a stack, or what R13 keeps back. */
const SECRETS = /Traceback|\bat \S+ \(.*:\d+:\d+\)|node_modules|clientId|"session"|"runId"/;

const events = ['job:join', 'job:leave', 'jobs:watch', 'jobs:unwatch'];
const strangeEvents = [
  '',
  'connect',
  'disconnect',
  'disconnecting',
  'error',
  'newListener',
  'removeListener',
  'connect_error',
  'job:state',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(5000),
  '\u0000',
  '🎨',
];
const strangeFrames = [
  '',
  '0',
  '1',
  '2',
  '2probe',
  '3',
  '3probe',
  '5',
  '6',
  '7',
  '9',
  'b',
  'bAAAA',
  '4',
  '40',
  '40{}',
  '40{"token":7}',
  '40/admin,',
  '40/admin,{"token":"x"}',
  '41',
  '42',
  '42[',
  '42[]',
  '42{}',
  '42[null]',
  '42[7]',
  '42["job:join"',
  '42999999999999999999["job:join","x"]',
  '42-1["job:join","x"]',
  '42/admin,["job:join","x"]',
  '43',
  '430[]',
  '43999[]',
  '430[{"a":1}]',
  '44',
  '44{}',
  '451-["job:join",{"_placeholder":true,"num":0}]',
  '45999999-["job:join",{"_placeholder":true,"num":0}]',
  '451-["job:join",{"_placeholder":true,"num":7}]',
  '451-["job:join",{"_placeholder":true,"num":"__proto__"}]',
  '461-0[{"_placeholder":true,"num":0}]',
  '46',
  '47',
  '48',
  `42${'['.repeat(7000)}`,
  `42["job:join",${'['.repeat(5000)}${']'.repeat(5000)}]`,
  `42["job:join","${'x'.repeat(20_000)}"]`,
];

/** Messages of every kind to a gateway whose tokens are the tests’, always the same for a seed. */
export async function fuzzedSockets(url: string, seed: number, promptIds: readonly string[]): Promise<SocketFuzz> {
  const chance = seeded(seed);
  const tokens = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ sub: 'app', role: 'service' }),
  ]);
  const next = (): string | Buffer => messageOf(chance, promptIds);

  /** One socket's life; resolves with how many messages it sent. */
  async function life(most: number): Promise<number> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      ...(chance.number() < 0.3 && { perMessageDeflate: true }),
    });
    let told: string | undefined;
    socket.on('error', () => undefined);
    socket.on('message', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (text === '2') socket.send('3');
      if (SECRETS.test(text)) told = text;
    });
    const closed = once(socket, 'close');
    await Promise.race([once(socket, 'open'), closed]);
    if (chance.number() < 0.93) socket.send(`40${JSON.stringify({ token: chance.pick(tokens) })}`);
    const messages = Array.from({ length: Math.min(most, chance.whole(1, MOST_A_SOCKET)) }, next);
    for (const message of messages) if (socket.readyState === WebSocket.OPEN) socket.send(message);
    // Some leave without a word, some in the middle of a frame.
    const how = chance.number();
    if (how < 0.1) (socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0x81, 0xfe, 0x40]));
    if (how < 0.5) socket.terminate();
    else if (how < 0.8) socket.close();
    else {
      socket.send('41');
      setTimeout(() => socket.terminate(), 20);
    }
    await closed;
    if (told !== undefined)
      throw new SocketFuzzFailure(`seed ${seed}: a message tells too much: ${told.slice(0, 2000)}`);
    return messages.length;
  }

  /** Handshakes that are none. */
  const knock = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const query = chance.pick([
        '',
        '?EIO=3',
        '?EIO=4',
        '?EIO=4&transport=polling',
        '?EIO=4&transport=websocket&sid=x',
        '?transport[]=a',
      ]);
      const headers = chance.pick([
        {},
        { Connection: 'Upgrade', Upgrade: 'websocket' },
        { Origin: 'https://evil.example' },
      ]);
      const asked = request(`${url}/socket.io/${query}`, {
        headers,
        agent: false,
        method: chance.pick(['GET', 'POST']),
      });
      asked.once('error', () => resolve());
      asked.once('upgrade', (_response, tcp) => {
        tcp.destroy();
        resolve();
      });
      asked.once('response', (response) => {
        response.resume();
        if ((response.statusCode ?? 0) >= 500)
          reject(new SocketFuzzFailure(`seed ${seed}: ${query} is answered ${response.statusCode}`));
        else resolve();
      });
      asked.end();
    });

  return {
    async run(count) {
      let left = count;
      let sockets = 0;
      const lane = async (): Promise<void> => {
        while (left > 0) {
          const most = Math.min(left, MOST_A_SOCKET);
          left -= most;
          left += most - (await life(most));
          sockets += 1;
          if (chance.number() < 0.05) await knock();
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      const alive = await fetch(`${url}/livez`);
      if (alive.status !== 200) throw new SocketFuzzFailure(`seed ${seed}: the gateway is not alive any more`);
      return sockets;
    },
  };
}

function messageOf(chance: Chance, promptIds: readonly string[]): string | Buffer {
  const how = chance.number();
  if (how < 0.12) return chance.pick(strangeFrames);
  if (how < 0.17) return bytesOf(chance, chance.whole(0, 200));
  if (how < 0.22) return bytesOf(chance, chance.whole(0, 60)).toString('latin1');
  const event = chance.number() < 0.85 ? chance.pick(events) : chance.pick(strangeEvents);
  const ids = chance.number() < 0.5 ? String(chance.whole(0, 50)) : '';
  const args = Array.from({ length: chance.whole(0, 3) }, () =>
    chance.number() < 0.5 ? chance.pick(promptIds) : valueOf(chance, 3),
  );
  const text = `42${ids}${JSON.stringify([event, ...args])}`;
  if (how > 0.95) return text.slice(0, chance.whole(0, text.length));
  if (how > 0.92) return text.replace(/["[\]{},:]/, () => chance.pick(['', '"', '[', '}', '\u0000', '\ud800']));
  return text;
}

const bytesOf = (chance: Chance, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => chance.whole(0, 255)));

function valueOf(chance: Chance, depth: number): unknown {
  const plain = [
    null,
    true,
    false,
    0,
    -1,
    1e308,
    '',
    'x',
    '../x',
    '__proto__',
    'x'.repeat(300),
    '\u0000',
    '🎨',
    '\ud800',
  ];
  const how = chance.number();
  if (depth === 0 || how < 0.6) return chance.pick(plain);
  const inner = Array.from({ length: chance.whole(0, 4) }, () => valueOf(chance, depth - 1));
  if (how < 0.8) return inner;
  const names = ['promptId', '__proto__', 'constructor', 'toString', 'length', '_placeholder', 'num', 'then'];
  return Object.fromEntries(inner.map((value) => [chance.pick(names), value]));
}
