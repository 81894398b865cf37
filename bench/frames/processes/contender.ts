/** One of those that are compared, in a process of its own: a bare loop, a client of others, or our whole pipeline with Redis and the gateway. */
import { ComfyApi } from '@saintno/comfyui-sdk';
import { Client } from '@stable-canvas/comfyui-client';
import WebSocket from 'ws';
import { heap } from '../../heap';
import { ours } from './ours';
import { answering, pause, type ContenderOrder, type Contender, type Cost, type Left, type Way } from '../talk';

/** What every contender has time for after the last frame: what it put off is its cost too. */
const REST_MS = 300;

let contender: Contender | undefined;
let came: Promise<void> = Promise.resolve();
let before = { cpu: process.cpuUsage(), at: 0 };

let warnings = 0;
process.on('warning', () => (warnings += 1));

function resources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function carryOut(order: ContenderOrder): Promise<unknown> {
  switch (order.tag) {
    case 'open':
      contender = order.way === 'ours' ? await ours(order) : await counting(order.way, order.url, order.clientId);
      return contender.opened;
    case 'begin':
      heap();
      came = contender!.came(order.frames, order.end);
      before = { cpu: process.cpuUsage(), at: performance.now() };
      return undefined;
    case 'end': {
      await came;
      const wallMs = performance.now() - before.at;
      await pause(REST_MS);
      const { user, system } = process.cpuUsage(before.cpu);
      return { cpuMs: (user + system) / 1_000, wallMs } satisfies Cost;
    }
    case 'heap':
      // What is on its way to be closed has had its time.
      await pause(2_000);
      return {
        heapBytes: heap(),
        rssBytes: process.memoryUsage().rss,
        resources: resources(),
        warnings,
      } satisfies Left;
    case 'submit':
      return contender!.submit?.(order.jobs);
    case 'settled':
      return contender!.settled?.();
  }
}

/** Whoever hands on each frame: they are counted. */
async function counting(way: Exclude<Way, 'ours'>, url: string, clientId: string): Promise<Contender> {
  let left = Number.POSITIVE_INFINITY;
  let done = (): void => undefined;
  const count = (): void => {
    left -= 1;
    if (left === 0) done();
  };
  await ways[way](url, clientId, count);
  return {
    opened: { heapBytes: heap() },
    came: (frames) =>
      new Promise((resolve) => {
        [left, done] = [frames, resolve];
      }),
  };
}

type Open = (url: string, clientId: string, count: () => void) => Promise<unknown>;

const bare =
  (take: (message: Buffer) => unknown): Open =>
  (url, clientId, count) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?clientId=${clientId}`, {
        perMessageDeflate: false,
      });
      socket.once('message', resolve);
      socket.on('message', (message) => {
        take(message as Buffer);
        count();
      });
    });

const ways: Readonly<Record<Exclude<Way, 'ours'>, Open>> = {
  receive: bare(() => undefined),
  parse: bare((message) => JSON.parse(message.toString())),
  /** Somebody listens to what this bench sends, or it would do nothing with it. */
  saintno: async (url, clientId, count) => {
    const api = new ComfyApi(url, clientId, { wsTimeout: 600_000 });
    for (const type of ['status', 'progress', 'progress_state'] as const) api.on(type as 'status', count);
    await api.init().waitForReady();
    await pause(500);
  },
  'stable-canvas': async (url, clientId, count) => {
    const client = new Client({ api_host: new URL(url).host, clientId, WebSocket: WebSocket, fetch });
    for (const type of ['status', 'progress', 'progress_state'] as const) client.on(type as 'status', count);
    await client.connect();
    await pause(500);
  },
};

answering(carryOut);
