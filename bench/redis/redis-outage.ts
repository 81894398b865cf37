import { monitorEventLoopDelay } from 'node:perf_hooks';
import { lastValueFrom } from 'rxjs';
import { redisStore } from '../../sinks/redis/redis-store';
import { writeBehind } from '../../sinks/writing/queued-writes';
import { aFullState } from '../../test/sinks/a-state';
import { startRedis } from '../../test/support/redis/redis-server';

/**
 * Redis is away while jobs go on, ten updates a second each: killed, or frozen so that its connections stay open.
 * `node --expose-gc --import tsx bench/redis/redis-outage.ts [killed|frozen] [seconds] [jobs]`
 */
const [form = 'killed', seconds = '60', jobs = '1000'] = process.argv.slice(2);
const OUTAGE_MS = Number(seconds) * 1000;
const JOBS = Number(jobs);
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

async function main(): Promise<void> {
  let unhandled = 0;
  process.on('unhandledRejection', () => unhandled++);
  const server = await startRedis({ args: ['--appendonly', 'yes'] });
  const reports = new Map<string, number>();
  const report = (where: string, error: unknown): void => {
    const text = `${where}: ${String(error)}`;
    reports.set(text, (reports.get(text) ?? 0) + 1);
  };
  const store = redisStore({ url: server.url, report });
  const writer = writeBehind(store, { report });
  const promptIds = Array.from({ length: JOBS }, (_, i) => `job-${i}`);
  let puts: number[] = [];
  let seq = 0;

  /** All jobs' next states, a tenth of them at a time, as frames come spread over time. */
  let part = 0;
  const updating = setInterval(() => {
    if (part === 0) seq++;
    for (let i = part; i < JOBS; i += 10) {
      const state = aFullState({ promptId: promptIds[i]!, seq, progress: (seq % 1000) / 10 });
      const at = performance.now();
      writer.put(state);
      puts.push(performance.now() - at);
    }
    part = (part + 1) % 10;
  }, UPDATE_MS / 10);

  const delay = monitorEventLoopDelay({ resolution: 10 });
  await wait(BEFORE_MS);
  const before = { memory: memory(), rss: process.memoryUsage().rss };
  puts = [];
  delay.enable();
  if (form === 'frozen') server.pause();
  else await server.kill();

  let mostMemory = before.memory;
  let mostRss = before.rss;
  const until = performance.now() + OUTAGE_MS;
  while (performance.now() < until) {
    await wait(1000);
    mostRss = Math.max(mostRss, process.memoryUsage().rss);
  }
  delay.disable();
  const waiting = writer.pending();
  const sorted = puts.sort((a, b) => a - b);
  puts = [];
  mostMemory = Math.max(mostMemory, memory());

  const returned = performance.now();
  if (form === 'frozen') server.resume();
  else await server.start();
  // Jobs go on: what is flushed is what waited when Redis came back.
  const owed = new Map(promptIds.map((promptId) => [promptId, seq]));
  while (owed.size > 0) {
    await wait(20);
    const states = await lastValueFrom(store.get([...owed.keys()][0]!)).catch(() => undefined);
    for (const [promptId, wanted] of owed) {
      if (states === undefined) break;
      const state = await lastValueFrom(store.get(promptId)).catch(() => undefined);
      if (state === undefined || state.seq < wanted) break;
      owed.delete(promptId);
    }
  }
  const flushMs = performance.now() - returned;
  clearInterval(updating);
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
    unhandled,
    eventLoopP99Ms: inMs(delay.percentile(99)),
    eventLoopMaxMs: inMs(delay.max),
    flushMs: Math.round(flushMs),
    reports: Object.fromEntries(reports),
  });
  writer.close();
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await server.stop();
}

void main();
