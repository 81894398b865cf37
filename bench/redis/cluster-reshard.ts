import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import type { JobStore } from '../../sinks/job-store';
import { redisStore } from '../../sinks/redis/redis-store';
import { aState } from '../../test/sinks/a-state';
import { startRedisCluster, type RedisCluster } from '../../test/support/redis/redis-cluster';
import { VALUE, commandLine } from '../../scripts/command-line';

/**
 * 3000 slots go from one master to another, by the operator's own tool, while 2000 jobs are written as fast as 32 at a
 * time allow, listed again and again, and 200 of them watched. `tsx bench/redis/cluster-reshard.ts`
 */
const SLOTS = commandLine('usage: cluster-reshard [--slots 3000]', { slots: VALUE }).number('slots', 3000);
const JOBS = 2000;
const WATCHED = 200;

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;

const promptIds = Array.from({ length: JOBS }, (_, i) => `job-${i}`);
const watched = promptIds.slice(0, WATCHED);

/** Watches some of the jobs: the newest number seen of each, and the jobs that went backward. */
function watching(store: JobStore) {
  const seen = new Map<string, number>();
  const backward: string[] = [];
  const subscriptions = watched.map((promptId) =>
    store.changes(promptId).subscribe(({ seq }) => {
      if (seq < (seen.get(promptId) ?? 0)) backward.push(promptId);
      seen.set(promptId, seq);
    }),
  );
  return {
    backward,
    behind: (seq: number): number => watched.filter((promptId) => seen.get(promptId) !== seq).length,
    stop: () => subscriptions.forEach((each) => each.unsubscribe()),
  };
}

/** Writes a state of each job, 32 at a time. */
function writing(store: JobStore) {
  const latencies: number[] = [];
  let failed = 0;
  const put = async (promptId: string, seq: number) => {
    const at = performance.now();
    try {
      await lastValueFrom(store.put(aState({ promptId, seq })));
    } catch {
      failed++;
    }
    latencies.push(performance.now() - at);
  };
  return {
    latencies,
    failed: () => failed,
    putAll: (seq: number) =>
      lastValueFrom(
        from(promptIds).pipe(
          mergeMap((promptId) => put(promptId, seq), 32),
          toArray(),
        ),
      ),
  };
}

/** Moves the slots by the operator's own tool. */
async function reshard(cluster: RedisCluster): Promise<void> {
  const [source, target] = await cluster.masters();
  await promisify(execFile)('redis-cli', [
    ...['--cluster', 'reshard', `127.0.0.1:${source!.server.port}`, '--cluster-from', source!.id],
    ...['--cluster-to', target!.id, '--cluster-slots', `${SLOTS}`, '--cluster-yes'],
  ]);
}

const listed = (store: JobStore) => lastValueFrom(store.live().pipe(toArray()));

async function main(): Promise<void> {
  const cluster = await startRedisCluster();
  const reports = new Map<string, number>();
  const report = (where: string, error: unknown): void => {
    const text = `${where}: ${String(error)}`;
    reports.set(text, (reports.get(text) ?? 0) + 1);
  };
  const store = redisStore({ url: cluster.url, report });
  const watchers = watching(store);
  const writes = writing(store);
  let seq = 1;
  await writes.putAll(seq);
  writes.latencies.length = 0;

  const progress = { isOver: false };
  const at = performance.now();
  const moved = reshard(cluster).finally(() => (progress.isOver = true));
  const lists: number[] = [];
  while (!progress.isOver) {
    await writes.putAll(++seq);
    lists.push((await listed(store)).length);
  }
  await moved;
  const tookMs = performance.now() - at;
  const during = [...writes.latencies].sort((a, b) => a - b);
  const failed = writes.failed();
  await writes.putAll(++seq);
  const lastPutAt = performance.now();
  while (watchers.behind(seq) > 0 && performance.now() - lastPutAt < 10_000)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const caughtUpMs = performance.now() - lastPutAt;
  const stored = await listed(store);

  console.log({
    slots: SLOTS,
    tookMs: Math.round(tookMs),
    writes: during.length,
    failed,
    p50Ms: quantile(during, 0.5).toFixed(1),
    p99Ms: quantile(during, 0.99).toFixed(1),
    maxMs: quantile(during, 1).toFixed(1),
    lists: lists.length,
    shortLists: lists.filter((length) => length !== JOBS).length,
    notNewest: stored.filter((state) => state.seq !== seq).length,
    missing: JOBS - stored.length,
    watchersBehind: watchers.behind(seq),
    watchersBackward: watchers.backward.length,
    watchersCaughtUpMs: Math.round(caughtUpMs),
    reports: Object.fromEntries(reports),
  });
  watchers.stop();
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await cluster.stop();
}

void main();
