import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';

/** By how much processes and a Redis grew at most, in bytes. */
export interface Growth {
  readonly before: readonly number[];
  readonly memory: readonly number[];
  readonly store: number;
}

const LOOK_MS = 100;

const rssOf = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
};

const usedBy = async (redis: Redis): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await redis.info('memory').catch(() => ''))?.[1] ?? 0);

/** Looks ten times a second from now on until it is stopped. */
export async function growth(pids: readonly number[], redis: Redis): Promise<{ readonly stop: () => Promise<Growth> }> {
  const before = await Promise.all(pids.map(rssOf));
  const storeBefore = await usedBy(redis);
  const most = [...before];
  let storeMost = storeBefore;
  let over = false;
  const watching = (async () => {
    while (!over) {
      (await Promise.all(pids.map(rssOf))).forEach((rss, n) => (most[n] = Math.max(most[n]!, rss)));
      storeMost = Math.max(storeMost, await usedBy(redis));
      await sleep(LOOK_MS);
    }
  })();
  return {
    stop: async () => {
      over = true;
      await watching;
      return { before, memory: most.map((rss, n) => rss - before[n]!), store: storeMost - storeBefore };
    },
  };
}
