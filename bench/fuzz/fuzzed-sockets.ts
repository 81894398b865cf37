import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { tokenOf } from '../../test/gateway/support/admission/tokens';
import { seeded, type Chance } from '../../test/system/seeded';
import { messageOf } from './fuzzed-messages';

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

/** Messages of every kind to a gateway whose tokens are the tests’, always the same for a seed. */
export async function fuzzedSockets(url: string, seed: number, promptIds: readonly string[]): Promise<SocketFuzz> {
  const tokens = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ sub: 'app', role: 'service' }),
  ]);
  const target: Target = { url, seed, promptIds, tokens, chance: seeded(seed) };
  return {
    async run(count) {
      let left = count;
      let sockets = 0;
      const lane = async (): Promise<void> => {
        while (left > 0) {
          const most = Math.min(left, MOST_A_SOCKET);
          left -= most;
          left += most - (await life(target, most));
          sockets += 1;
          if (target.chance.number() < 0.05) await knock(target);
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      const alive = await fetch(`${url}/livez`);
      if (alive.status !== 200) throw new SocketFuzzFailure(`seed ${seed}: the gateway is not alive any more`);
      return sockets;
    },
  };
}

interface Target {
  readonly url: string;
  readonly seed: number;
  readonly promptIds: readonly string[];
  readonly tokens: readonly string[];
  readonly chance: Chance;
}

/** One socket's life; resolves with how many messages it sent. */
async function life({ url, seed, promptIds, tokens, chance }: Target, most: number): Promise<number> {
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
  const count = Math.min(most, chance.whole(1, MOST_A_SOCKET));
  const messages = Array.from({ length: count }, () => messageOf(chance, promptIds));
  for (const message of messages) if (socket.readyState === WebSocket.OPEN) socket.send(message);
  leave(socket, chance);
  await closed;
  if (told !== undefined) throw new SocketFuzzFailure(`seed ${seed}: a message tells too much: ${told.slice(0, 2000)}`);
  return messages.length;
}

/** Some leave without a word, some in the middle of a frame. */
function leave(socket: WebSocket, chance: Chance): void {
  const how = chance.number();
  if (how < 0.1) (socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0x81, 0xfe, 0x40]));
  if (how < 0.5) socket.terminate();
  else if (how < 0.8) socket.close();
  else {
    socket.send('41');
    setTimeout(() => socket.terminate(), 20);
  }
}

const QUERIES = [
  '',
  '?EIO=3',
  '?EIO=4',
  '?EIO=4&transport=polling',
  '?EIO=4&transport=websocket&sid=x',
  '?transport[]=a',
];
const HANDSHAKE_HEADERS = [{}, { Connection: 'Upgrade', Upgrade: 'websocket' }, { Origin: 'https://evil.example' }];

/** Handshakes that are none. */
const knock = ({ url, seed, chance }: Target): Promise<void> =>
  new Promise((resolve, reject) => {
    const query = chance.pick(QUERIES);
    const headers = chance.pick<Record<string, string>>(HANDSHAKE_HEADERS);
    const asked = request(`${url}/socket.io/${query}`, { headers, agent: false, method: chance.pick(['GET', 'POST']) });
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
