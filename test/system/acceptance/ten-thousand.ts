import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, mergeMap, range, tap } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import { redisStore } from '../../../sinks/redis/redis-store';
import { queuedState } from '../../../streams/job/job';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startRedis } from '../../support/redis/redis-server';
import { startInstance } from '../service/instance';
import { VALUE, commandLine } from '../../../scripts/command-line';
import { atMost, noted, printed, withinSeconds, type Row } from '../table';

/** `tsx test/system/acceptance/ten-thousand.ts [--jobs 10000]`: a service with so many live jobs is killed, and started again. */
const JOBS = commandLine('usage: ten-thousand [--jobs 10000]', { jobs: VALUE }).number('jobs', 10_000);
const SERVERS = 4;

interface Store {
  readonly environment: Record<string, string>;
  /** Opened for this process, while no service runs on it. */
  open(): JobStore;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  for (const [name, made] of [
    ['Redis', inRedis],
    ['embedded', inFile],
  ] as const) {
    const store = await made();
    rows.push(...(await recovery(name, store)));
    await store.close();
  }
  if (!printed(rows)) process.exitCode = 1;
}

/** Jobs that wait at ComfyUI are taken up by a service, which is killed and comes back. */
async function recovery(name: string, store: Store): Promise<readonly Row[]> {
  const servers = await Promise.all(
    Array.from({ length: SERVERS }, () => startComfyUI({ version: '0.33.0', timeScale: 1 })),
  );
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-10000-'));
  await fill(store, servers);
  const environment = { ...store.environment, COMFYUI_URL: servers.map(({ url }) => url).join(',') };
  const log = join(directory, 'log');
  const spawned = Date.now();
  const instance = await startInstance(name, environment, log);
  const onlooker = store.open();
  const first = await watchedAgain(onlooker, spawned);
  await sleep(5_000);
  await instance.kill();
  const requests = servers.map((each) => each.requests.length);
  const again = Date.now();
  await instance.start();
  const upMs = instance.upAt - again;
  const second = await watchedAgain(onlooker, again);
  const asked = servers.reduce((sum, each, n) => sum + each.requests.length - requests[n]!, 0);
  await instance.kill();
  const held = await count(onlooker, () => true);
  await lastValueFrom(onlooker.close(), { defaultValue: undefined });
  await Promise.all(servers.map((each) => each.stop()));
  await rm(directory, { recursive: true, force: true });
  return [
    noted(`${name}: first start`, `${second.jobs} live jobs, watched after ${(first.ms / 1000).toFixed(1)} s`),
    withinSeconds(`${name}: ${second.jobs} live jobs watched again after kill -9 and start`, 10, second.ms / 1000),
    noted('  of which until it listens', `${(upMs / 1000).toFixed(1)} s`),
    noted('  requests to ComfyUI', `${asked}`),
    atMost(`${name}: jobs not watched`, 0, JOBS - second.jobs),
    atMost(`${name}: unsettled jobs that the store lost`, 0, JOBS - held),
  ];
}

/** Stores jobs, all of which wait at a ComfyUI behind a node that runs for hours. */
async function fill(store: Store, servers: readonly ComfyUIStandIn[]): Promise<void> {
  const opened = store.open();
  const clients = servers.map(() => randomUUID() as string);
  const at = Date.now() - 60_000;
  const workflow = steps({ steps: 10_000, secondsPerStep: 10 });
  await lastValueFrom(
    range(0, JOBS).pipe(
      mergeMap(async (n) => {
        const { url } = servers[n % SERVERS]!;
        const clientId = clients[n % SERVERS]!;
        const promptId = randomUUID();
        const body = JSON.stringify({ prompt: workflow, client_id: clientId, prompt_id: promptId });
        await fetch(`${url}/prompt`, { method: 'POST', body });
        const state = { ...queuedState({ promptId, type: 'face_swap', userId: 'u', serverUrl: url, at }), clientId };
        await lastValueFrom(opened.put(state));
      }, 16),
    ),
  );
  for (const [n, clientId] of clients.entries())
    await lastValueFrom(opened.leases.hold({ clientId, serverUrl: servers[n]!.url }));
  for (const [n, clientId] of clients.entries())
    await lastValueFrom(opened.leases.release({ clientId, serverUrl: servers[n]!.url }), { defaultValue: undefined });
  await lastValueFrom(opened.close(), { defaultValue: undefined });
}

/** How long until every job has a new owner's state in the store, which it gets when it is taken up. */
async function watchedAgain(store: JobStore, since: number): Promise<{ readonly ms: number; readonly jobs: number }> {
  let jobs = 0;
  while (Date.now() - since < 60_000) {
    jobs = await count(store, ({ epoch }) => epoch >= since);
    if (jobs === JOBS) break;
    await sleep(100);
  }
  return { ms: Date.now() - since, jobs };
}

/** So many unsettled jobs of the store are like that. Asked of the store itself: the service has enough to do. */
async function count(store: JobStore, isLike: (state: JobState) => boolean): Promise<number> {
  let found = 0;
  await lastValueFrom(store.live().pipe(tap((state) => (found += !isSettled(state) && isLike(state) ? 1 : 0))), {
    defaultValue: undefined,
  });
  return found;
}

async function inRedis(): Promise<Store> {
  const redis = await startRedis();
  return {
    environment: { REDIS_URL: redis.url },
    open: () => redisStore({ url: redis.url, report: console.error }),
    close: () => redis.stop(),
  };
}

async function inFile(): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-10000-'));
  return {
    environment: { DATA_DIR: directory },
    open: () => embeddedStore({ directory, report: console.error }),
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
