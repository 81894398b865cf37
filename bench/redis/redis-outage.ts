import { monitorEventLoopDelay } from 'node:perf_hooks';
import { lastValueFrom } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { writeBehind } from '../../sinks/writing/queued-writes';
import type { WriteBehind } from '../../sinks/writing/write-behind';
import { aFullState } from '../../test/sinks/a-state';
import { FLAG, VALUE, commandLine } from '../../scripts/command-line';
import { startRedis, type RedisServer } from '../../test/support/redis/redis-server';

/**
 * Redis is away while jobs go on, ten updates a second each: killed, or frozen so that its connections stay open.
 * `node --expose-gc --import tsx bench/redis/redis-outage.ts`
 */
const given = commandLine('usage: redis-outage [--frozen] [--seconds 60] [--jobs 1000]', {
  frozen: FLAG,
  seconds: VALUE,
  jobs: VALUE,
});
const form = given.flag('frozen') ? 'frozen' : 'killed';
const OUTAGE_MS = given.number('seconds', 60) * 1000;
const JOBS = given.number('jobs', 1000);
const UPDATE_MS = 100;
const BEFORE_MS = 5000;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const inMs = (ns: number) => Number((ns / 1e6).toFixed(1));
const inMb = (bytes: number) => Number((bytes / 2 ** 20).toFixed(1));
const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;

/** What is in use once all that is not has been collected. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const promptIds = Array.from({ length: JOBS }, (_, i) => `job-${i}`);

/** All jobs' next states, a tenth of them at a time, as frames come spread over time. */
function updating(writer: Pick<WriteBehind, 'put'>) {
  const made: { seq: number; puts: number[] } = { seq: 0, puts: [] };
  let part = 0;
  const ticking = setInterval(() => {
    if (part === 0) made.seq++;
    for (let i = part; i < JOBS; i += 10) {
      const state = aFullState({ promptId: promptIds[i]!, seq: made.seq, progress: (made.seq % 1000) / 10 });
      const at = performance.now();
      writer.put(state);
      made.puts.push(performance.now() - at);
    }
    part = (part + 1) % 10;
  }, UPDATE_MS / 10);
  return { made, stop: () => clearInterval(ticking) };
}

/** The most memory that this process holds during the outage. */
async function highestRss(): Promise<number> {
  let most = process.memoryUsage().rss;
  const until = performance.now() + OUTAGE_MS;
  while (performance.now() < until) {
    await wait(1000);
    most = Math.max(most, process.memoryUsage().rss);
  }
  return most;
}

/** Resolves once the store has each job's state of this number, or a newer one: jobs go on, so what is flushed is what waited. */
async function flushed(store: JobStore, seq: number): Promise<void> {
  const stored = (promptId: string) => lastValueFrom(store.get(promptId)).catch(() => undefined);
  const owed = [...promptIds];
  while (owed.length > 0) {
    await wait(20);
    for (let state = await stored(owed[0]!); state !== undefined && state.seq >= seq; state = await stored(owed[0]!)) {
      owed.shift();
      if (owed.length === 0) break;
    }
  }
}

const gone = (server: RedisServer): unknown => (form === 'frozen' ? server.pause() : server.kill());
const back = (server: RedisServer): unknown => (form === 'frozen' ? server.resume() : server.start());

/** Counts what is reported, by its words, and the promises whose rejection nobody handles. */
function troubles() {
  const counted = { unhandled: 0, reports: new Map<string, number>() };
  process.on('unhandledRejection', () => counted.unhandled++);
  const report = (where: string, error: unknown): void => {
    const text = `${where}: ${String(error)}`;
    counted.reports.set(text, (counted.reports.get(text) ?? 0) + 1);
  };
  return { counted, report };
}

async function main(): Promise<void> {
  const { counted, report } = troubles();
  const server = await startRedis({ args: ['--appendonly', 'yes'] });
  const store = redisStore({ url: server.url, report });
  const writer = writeBehind(store, { report });
  const updates = updating(writer);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  await wait(BEFORE_MS);
  const before = { memory: memory(), rss: process.memoryUsage().rss };
  updates.made.puts = [];
  delay.enable();
  await gone(server);

  const mostRss = await highestRss();
  delay.disable();
  const waiting = writer.pending();
  const sorted = updates.made.puts.sort((a, b) => a - b);
  updates.made.puts = [];
  const mostMemory = Math.max(before.memory, memory());

  const returned = performance.now();
  await back(server);
  await flushed(store, updates.made.seq);
  const flushMs = performance.now() - returned;
  updates.stop();
  await lastValueFrom(writer.drain(10_000), { defaultValue: undefined });

  console.log({
    form,
    seconds: OUTAGE_MS / 1000,
    jobs: JOBS,
    updates: sorted.length,
    heapGrowthMb: inMb(mostMemory - before.memory),
    rssGrowthMb: inMb(mostRss - before.rss),
    waiting,
    putP99Ms: Number(quantile(sorted, 0.99).toFixed(3)),
    putMaxMs: Number(quantile(sorted, 1).toFixed(1)),
    unhandled: counted.unhandled,
    eventLoopP99Ms: inMs(delay.percentile(99)),
    eventLoopMaxMs: inMs(delay.max),
    flushMs: Math.round(flushMs),
    reports: Object.fromEntries(counted.reports),
  });
  writer.close();
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await server.stop();
}

void main();
