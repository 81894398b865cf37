/** `npm run bench:bodies`: how long a gateway's loop is held while large bodies are refused, or taken; exits 1 over 50 ms for a refused one, over 150 ms for one that is taken. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { openAuth } from '../../gateway/admission/auth/auth';
import { startGateway } from '../../gateway/server/server';
import { createPipeline } from '../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { startComfyUI } from '../../test/support/comfyui/stand-in';
import { startRedis } from '../../test/support/redis/redis-server';
import { mib } from '../heap';
import { largeBodies } from './bodies-sent';
import { loopHeld } from './loop-held';

/** The thread is gone by then. */
const IDLE_MS = 5_000;
const MOST_MS = { refused: 50, taken: 150 };

/** The gateway, in a process of its own that tells how long its loop was held. */
async function serve(comfyUrl: string, redisUrl: string | undefined): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-bodies-'));
  const report = () => undefined;
  const store = redisUrl === undefined ? embeddedStore({ directory, report }) : redisStore({ url: redisUrl, report });
  const gateway = await startGateway({
    pipeline: createPipeline({ servers: [comfyUrl], store, report }),
    host: '127.0.0.1',
    port: 0,
    auth: openAuth,
    logger: pino({ level: 'silent' }),
    rates: { requestsPerMinute: 0, bytesPerMinute: 0, endedBytesPerUser: 0 },
  });
  const held = loopHeld();
  process.on('message', () => process.send?.({ maxMs: held.mostMs(), rss: process.memoryUsage.rss() }));
  process.on('disconnect', () => void rm(directory, { recursive: true, force: true }).finally(() => process.exit()));
  process.send?.(gateway.url);
}

/** ComfyUI reads bodies, too: what that takes is not the gateway's. */
async function serveComfyUI(): Promise<void> {
  const { url } = await startComfyUI({ version: '0.33.0', timeScale: 0.2 });
  process.on('disconnect', () => process.exit());
  process.send?.(url);
}

async function started(...args: readonly string[]): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = fork(__filename, args, { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const [url] = (await once(child, 'message')) as [string];
  return { child, url };
}

async function measured(url: string, child: ChildProcess): Promise<void> {
  const told = async () => {
    child.send('tell');
    return ((await once(child, 'message')) as [{ maxMs: number; rss: number }])[0];
  };
  console.log(`before: ${mib((await told()).rss)}`);
  for (const [what, make, status] of largeBodies) {
    const body = Buffer.from(make());
    await told();
    const start = performance.now();
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${url}/jobs`, { method: 'POST', body, headers });
    const text = await answer.text();
    const tookMs = Math.round(performance.now() - start);
    // What is taken is written, and looked for, after that.
    await sleep(status === 202 ? 4_000 : 200);
    const { maxMs, rss } = await told();
    const held = `loop held ${maxMs.toFixed(0)} ms`;
    console.log(`${what.padEnd(34)} ${answer.status} in ${tookMs} ms; ${held}; ${mib(rss)}; ${text.length} bytes`);
    if (answer.status !== status) console.log(text.slice(0, 300));
    const mostMs = status >= 400 ? MOST_MS.refused : MOST_MS.taken;
    if (answer.status !== status || maxMs > mostMs) process.exitCode = 1;
  }
  await sleep(IDLE_MS);
  console.log(`a while after: ${mib((await told()).rss)}`);
}

async function main(): Promise<void> {
  const comfy = await started('comfyui');
  const redis = await startRedis();
  for (const [name, store] of [
    ['a file', []],
    ['Redis', [redis.url]],
  ] as const) {
    console.log(`with ${name}`);
    const { child, url } = await started('serve', comfy.url, ...store);
    await measured(url, child);
    child.disconnect();
  }
  comfy.child.disconnect();
  await redis.stop();
}

const [how, comfyUrl = '', redisUrl] = process.argv.slice(2);
void (how === 'serve' ? serve(comfyUrl, redisUrl) : how === 'comfyui' ? serveComfyUI() : main());
