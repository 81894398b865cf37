/** `npm run bench:bodies`: how long a gateway's loop is held while large bodies are refused, or taken; exits 1 over 50 ms for a refused one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { runningGateway } from '../test/gateway/support/running-gateway';
import { mib } from './heap';

/** The thread is gone by then. */
const IDLE_MS = 5_000;
const MIB = 1 << 20;
const MOST_MS = 50;
const ask = { type: 'image_generation', userId: 'ada' };
const node = (n: number) => `"${n}":{"class_type":"KSampler","inputs":{"seed":${n},"model":["4",0]}}`;
const filled = (head: string, piece: (n: number) => string, tail: string, bytes: number): string => {
  const pieces: string[] = [];
  for (let [n, length] = [0, head.length + tail.length]; length < bytes - 200; n += 1) {
    const next = piece(n);
    pieces.push(next);
    length += next.length + 1;
  }
  return head + pieces.join(',') + tail;
};
const before = JSON.stringify(ask).slice(0, -1);

/** What is sent, and the status that it must get. */
const bodies = (): readonly (readonly [what: string, body: string, status: number])[] => [
  ['120,000 nodes', `${before},"workflow":{${Array.from({ length: 120_000 }, (_, n) => node(n)).join(',')}}}`, 400],
  ['32 MiB of nodes', filled(`${before},"workflow":{`, node, '}}', 32 * MIB), 400],
  ['32 MiB of what are no nodes', filled(`${before},"workflow":{`, (n) => `"${n}":0`, '}}', 32 * MIB), 400],
  ['32 MiB of unknown fields', filled(`${before},`, (n) => `"x${n}":0`, '}', 32 * MIB), 400],
  ['10 MiB of [[[[', `${before},"workflow":${'['.repeat(10 * MIB)}`, 400],
  ['32 MiB of one string', `${before},"workflow":"${'ä'.repeat(16 * MIB - 100)}"}`, 400],
  ['32 MiB of escapes', `${before},"workflow":"${'\\"'.repeat(16 * MIB - 100)}"}`, 400],
  ['32 MiB of spaces', `${before}${' '.repeat(32 * MIB - 100)}`, 400],
  ['33 MiB', `${before},"x":"${'x'.repeat(33 * MIB)}"}`, 413],
  [
    '24 MiB as base64, taken',
    `${before},"workflow":{"1":{"class_type":"EmptyImage","inputs":{"width":64,"height":64,"batch_size":1,"color":0,"x":"${'A'.repeat(24 * MIB)}"}},"2":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"x"}}}}`,
    202,
  ],
];

/** The gateway, in a process of its own that tells how long its loop was held. */
async function serve(): Promise<void> {
  const gateway = await runningGateway({ rates: { requestsPerMinute: 0, bytesPerMinute: 0 } });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('message', (message) => {
    if (message === 'reset') delay.reset();
    process.send?.({ maxMs: delay.max / 1e6, rss: process.memoryUsage.rss() });
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ url: gateway.url });
}

async function main(): Promise<void> {
  const child = fork(__filename, ['serve'], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  const told = async (message: string) => {
    child.send(message);
    return ((await once(child, 'message')) as [{ maxMs: number; rss: number }])[0];
  };
  console.log(`before: ${mib((await told('tell')).rss)}`);
  for (const [what, body, status] of bodies()) {
    const bytes = Buffer.from(body);
    await told('reset');
    const start = performance.now();
    const headers = { 'Content-Type': 'application/json' };
    const progress = { over: false };
    const answer = fetch(`${url}/jobs`, { method: 'POST', body: bytes, headers }).finally(() => (progress.over = true));
    let slowest = 0;
    while (!progress.over) {
      const asked = performance.now();
      await (await fetch(`${url}/livez`)).text();
      slowest = Math.max(slowest, performance.now() - asked);
    }
    const text = await (await answer).text();
    const tookMs = Math.round(performance.now() - start);
    const { maxMs, rss } = await told('tell');
    const held = `loop ${maxMs.toFixed(0)} ms, /livez ${slowest.toFixed(0)} ms`;
    console.log(
      `${what.padEnd(30)} ${(await answer).status} in ${tookMs} ms; ${held}; ${mib(rss)}; ${text.length} bytes`,
    );
    if ((await answer).status !== status || (status >= 400 && maxMs > MOST_MS)) process.exitCode = 1;
  }
  await sleep(IDLE_MS);
  console.log(`a while after: ${mib((await told('tell')).rss)}`);
  child.disconnect();
}

void (process.argv[2] === 'serve' ? serve() : main());
