import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { lastValueFrom, mergeMap, range, timer, toArray } from 'rxjs';
import { openAuth } from '../../gateway/admission/auth/auth';
import { startGateway } from '../../gateway/server/server';
import { createPipeline } from '../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../sinks/embedded/embedded-store';
import type { JobStore } from '../../sinks/job-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { startComfyUI } from '../../test/support/comfyui/stand-in';
import { startChromium } from '../../test/support/programs/chromium';
import { startRedis } from '../../test/support/redis/redis-server';
import { aState } from '../../test/sinks/a-state';

/** What an idle instance asks of a Redis that it shares with a million keys of others, alone and with its dashboard open, and what a user's list takes, there and in a file. */
const [FOREIGN, ENDED, USERS] = [1_000_000, 20_000, 200];
const SETTLING_MS = 30_000;
const IDLE_MS = 30_000;
const LOCAL = { host: '127.0.0.1', port: 0 };

const ended = (store: JobStore): Promise<unknown> =>
  lastValueFrom(
    range(0, ENDED).pipe(
      mergeMap((i) => {
        const job = { promptId: `ended-${i}`, userId: `user-${i % USERS}`, startedAt: 1_700_000_000_000 + i };
        return store.put(aState({ ...job, status: 'completed', progress: 100, phase: 'settled' }));
      }, 64),
      toArray(),
    ),
  );

/** The median and the slowest of a hundred lists of 50, in ms. */
async function listing(store: JobStore): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < 100; i++) {
    const began = process.hrtime.bigint();
    await lastValueFrom(store.page({ userId: `user-${i}`, limit: 50 }));
    took.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  const slowest = took.indexOf(Math.max(...took));
  took.sort((a, b) => a - b);
  return `a user's 50: median ${took[50]?.toFixed(1)} ms, slowest ${took[99]?.toFixed(1)} ms, the ${slowest + 1}th`;
}

async function callsOf(admin: Redis): Promise<ReadonlyMap<string, number>> {
  const lines = (await admin.info('commandstats')).split('\r\n');
  const found = lines.map((line) => /^cmdstat_([^:]+):calls=(\d+)/.exec(line)).filter((match) => match !== null);
  return new Map(found.map(([, name = '', calls]) => [name, Number(calls)]));
}

/** What a script does within is counted as commands of their own: these are what is sent. */
const SENT = ['evalsha', 'eval', 'hgetall', 'ping', 'get', 'mget', 'scan', 'type', 'subscribe', 'ssubscribe'];

/** The commands of half a minute. */
async function told(what: string, admin: Redis): Promise<void> {
  const before = await callsOf(admin);
  await lastValueFrom(timer(IDLE_MS));
  const sent = [...(await callsOf(admin))]
    .map(([name, calls]): readonly [string, number] => [name, (calls - (before.get(name) ?? 0)) / (IDLE_MS / 1000)])
    .filter(([name, rate]) => rate > 0 && SENT.includes(name));
  const all = sent.reduce((sum, [, rate]) => sum + rate, 0);
  process.stdout.write(
    `redis, ${what}: ${all.toFixed(2)} commands a second (${sent.map(([name, rate]) => `${name} ${rate.toFixed(2)}`).join(', ')})\n`,
  );
}

async function redis(): Promise<void> {
  const server = await startRedis();
  const admin = new Redis(server.url);
  for (let i = 0; i < FOREIGN; i += 10_000) {
    await admin.mset(Array.from({ length: 20_000 }, (_, n) => (n % 2 === 0 ? `foreign:${i + n / 2}` : 'x')));
  }
  const store = redisStore({ url: server.url, report: () => undefined });
  await ended(store);
  const comfy = await startComfyUI({ version: '0.33.0' });
  const pipeline = createPipeline({ servers: [comfy.url], store });
  await lastValueFrom(timer(SETTLING_MS));
  await told('idle', admin);
  const gateway = await startGateway({ ...LOCAL, pipeline, auth: openAuth, logger: pino({ level: 'warn' }) });
  const browser = await startChromium();
  const page = await browser.newPage();
  await page.goto(gateway.url);
  await page.waitForSelector('text=/ended-/');
  await told('with its dashboard open', admin);
  await browser.close();
  await gateway.close();
  process.stdout.write(`redis, ${await listing(store)}\n`);
  await pipeline.close();
  await comfy.stop();
  admin.disconnect();
  await once(admin, 'end');
  await server.stop();
}

async function embedded(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-bench-'));
  const store = embeddedStore({ directory, report: () => undefined });
  await ended(store);
  await lastValueFrom(store.live(), { defaultValue: undefined });
  process.stdout.write(`embedded, ${await listing(store)}\n`);
  const before = process.cpuUsage();
  await lastValueFrom(timer(IDLE_MS));
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`embedded, idle: ${(((user + system) / 1000 / IDLE_MS) * 100).toFixed(2)} % of a core\n`);
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await rm(directory, { recursive: true });
}

async function main(): Promise<void> {
  await embedded();
  await redis();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
