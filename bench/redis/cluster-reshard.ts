import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { redisStore } from '../../sinks/redis/redis-store';
import { aState } from '../../test/sinks/a-state';
import { startRedisCluster } from '../../test/support/redis/redis-cluster';

/**
 * 3000 slots go from one master to another, by the operator's own tool, while 2000 jobs are written as fast as 32 at a
 * time allow, listed again and again, and 200 of them watched. `tsx bench/redis/cluster-reshard.ts [slots]`
 */
const SLOTS = Number(process.argv[2] ?? 3000);
const JOBS = 2000;
const WATCHED = 200;

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;

async function main(): Promise<void> {
  const cluster = await startRedisCluster();
  const reports = new Map<string, number>();
  const store = redisStore({
    url: cluster.url,
    report: (where, error) => {
      const text = `${where}: ${String(error)}`;
      reports.set(text, (reports.get(text) ?? 0) + 1);
    },
  });
  const promptIds = Array.from({ length: JOBS }, (_, i) => `job-${i}`);
  const seen = new Map<string, number>();
  const backward: string[] = [];
  const watching = promptIds.slice(0, WATCHED).map((promptId) =>
    store.changes(promptId).subscribe(({ seq }) => {
      if (seq < (seen.get(promptId) ?? 0)) backward.push(promptId);
      seen.set(promptId, seq);
    }),
  );
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
  const putAll = (seq: number) =>
    lastValueFrom(
      from(promptIds).pipe(
        mergeMap((promptId) => put(promptId, seq), 32),
        toArray(),
      ),
    );
  await putAll(1);
  latencies.length = 0;

  const [source, target] = await cluster.masters();
  const progress = { isOver: false };
  const at = performance.now();
  const moved = promisify(execFile)('redis-cli', [
    ...['--cluster', 'reshard', `127.0.0.1:${source!.server.port}`, '--cluster-from', source!.id],
    ...['--cluster-to', target!.id, '--cluster-slots', `${SLOTS}`, '--cluster-yes'],
  ]).finally(() => (progress.isOver = true));
  let seq = 1;
  const lists: number[] = [];
  while (!progress.isOver) {
    await putAll(++seq);
    lists.push((await lastValueFrom(store.live().pipe(toArray()))).length);
  }
  await moved;
  const tookMs = performance.now() - at;
  const during = [...latencies].sort((a, b) => a - b);
  const failedDuring = failed;
  await putAll(++seq);
  const lastPutAt = performance.now();
  const behind = () => promptIds.slice(0, WATCHED).filter((promptId) => seen.get(promptId) !== seq).length;
  while (behind() > 0 && performance.now() - lastPutAt < 10_000)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const stored = await lastValueFrom(store.live().pipe(toArray()));

  console.log({
    slots: SLOTS,
    tookMs: Math.round(tookMs),
    writes: during.length,
    failed: failedDuring,
    p50Ms: quantile(during, 0.5).toFixed(1),
    p99Ms: quantile(during, 0.99).toFixed(1),
    maxMs: quantile(during, 1).toFixed(1),
    lists: lists.length,
    shortLists: lists.filter((length) => length !== JOBS).length,
    notNewest: stored.filter((state) => state.seq !== seq).length,
    missing: JOBS - stored.length,
    watchersBehind: behind(),
    watchersBackward: backward.length,
    watchersCaughtUpMs: Math.round(performance.now() - lastPutAt),
    reports: Object.fromEntries(reports),
  });
  watching.forEach((each) => each.unsubscribe());
  await lastValueFrom(store.close(), { defaultValue: undefined });
  await cluster.stop();
}

void main();
