import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Figures, Order, Reader } from './sockets-talk';

/**
 * Thousands of clients in one process, for `bench/sockets/sockets.ts`. They speak Socket.IO by hand: parsing each state as a real
 * client does would take the core that the gateway is measured on. Ends are acknowledged.
 */
const CONNECTING_AT_A_TIME = 50;

let latencies: number[] = [];
let ended = 0;
let closed = 0;
let stalled: WebSocket[] = [];
let isStalling = false;

const now = (): number => performance.timeOrigin + performance.now();

function numberAfter(text: string, name: string): number {
  const start = text.indexOf(name) + name.length;
  return Number(text.slice(start, text.indexOf(',', start)));
}

/** Resolves once it is in all rooms. */
function open(url: string, { token, promptIds }: Reader, onJoined?: (socket: WebSocket) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
    });
    let joined = 0;
    let left = promptIds.length;
    const answer = (text: string): void => {
      if (text === '2') socket.send('3');
      else if (text.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`);
      else if (text.startsWith('40'))
        promptIds.forEach((promptId, n) => socket.send(`42${n}${JSON.stringify(['job:join', promptId])}`));
      else if (text.startsWith('43') && text.includes('"ok":true')) {
        joined += 1;
        if (joined < promptIds.length) return;
        onJoined?.(socket);
        resolve();
      } else reject(new Error(text));
    };
    socket.on('error', reject);
    socket.on('close', () => (closed += 1));
    socket.on('message', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (!text.startsWith('42')) {
        answer(text);
        return;
      }
      latencies.push(now() - numberAfter(text, '"updatedAt":'));
      if (!text.includes('"status":"completed"')) return;
      const [, id] = /^42(\d+)/.exec(text) ?? [];
      if (id !== undefined) socket.send(`43${id}[]`);
      left -= 1;
      if (left === 0) ended += 1;
    });
  });
}

async function openAll(url: string, readers: readonly Reader[]): Promise<void> {
  const waiting = [...readers];
  const lane = async (): Promise<void> => {
    for (let reader = waiting.pop(); reader !== undefined; reader = waiting.pop()) await open(url, reader);
  };
  await Promise.all(Array.from({ length: CONNECTING_AT_A_TIME }, lane));
}

async function stall(url: string, reader: Reader): Promise<void> {
  await open(url, reader, (socket) => {
    stalled.push(socket);
    socket.pause();
    // Who is cut comes again, and reads as little.
    (socket as unknown as { _socket: Socket })._socket.once('close', () => {
      closed -= 1;
      if (isStalling) void stall(url, reader).catch(() => undefined);
    });
  });
}

function figures(): Figures {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  latencies = [];
  return { delivered: sorted.length, p50: at(0.5), p99: at(0.99), worst: at(1), ended, closed };
}

async function carryOut(order: Order): Promise<unknown> {
  switch (order.tag) {
    case 'open':
      return openAll(order.url, order.readers);
    case 'stall':
      isStalling = true;
      await Promise.all(order.readers.map((reader) => stall(order.url, reader)));
      return;
    case 'release':
      isStalling = false;
      stalled.forEach((socket) => socket.terminate());
      stalled = [];
      return;
    case 'figures':
      return figures();
  }
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (answer) => process.send?.(answer ?? null),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
