import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { JobState } from '../../../streams/job/job-state';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import type { ComfyUIVersion } from '../../support/comfyui/versions';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { tcpProxy, type TcpProxy } from '../../support/network/tcp-proxy';
import { startInstance, type Instance } from './instance';

/** A simulated ComfyUI, and the link to it. */
export interface Server {
  readonly name: string;
  /** As the service knows it. */
  readonly url: string;
  readonly comfy: ComfyUIStandIn;
  readonly link: TcpProxy;
}

/** Everything that a bench tries out together: simulated ComfyUIs behind proxies, and instances of the service. */
export interface Bench {
  readonly servers: readonly Server[];
  readonly instances: readonly Instance[];
  readonly directory: string;
  close(): Promise<void>;
}

/** The instances share one Redis. */
export interface RedisBench extends Bench {
  readonly redis: RedisServer;
  /** The link from the instances to Redis. */
  readonly redisLink: TcpProxy;
  /** For looking into Redis past all links. */
  readonly ask: Redis;
}

export interface BenchOptions {
  readonly versions: readonly ComfyUIVersion[];
  readonly timeScale: number;
  readonly instances: number;
}

export async function startRedisBench(options: BenchOptions): Promise<RedisBench> {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
  const redisLink = await tcpProxy(redis.url.replace('redis:', 'http:'));
  const bench = await startBench(options, () => ({ REDIS_URL: redisLink.url.replace('http:', 'redis:') }));
  const ask = new Redis(redis.url, { maxRetriesPerRequest: null });
  ask.on('error', () => undefined);
  return {
    ...bench,
    redis,
    redisLink,
    ask,
    close: async () => {
      ask.disconnect();
      await bench.close();
      await redisLink.close();
      await redis.stop();
    },
  };
}

/** One instance, whose embedded store outlives its restarts. */
export const startEmbeddedBench = (options: Omit<BenchOptions, 'instances'>): Promise<Bench> =>
  startBench({ ...options, instances: 1 }, (directory) => ({ DATA_DIR: join(directory, 'data') }));

async function startBench(
  { versions, timeScale, instances }: BenchOptions,
  storeIn: (directory: string) => Readonly<Record<string, string>>,
): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'jobstream-bench-'));
  const servers = await Promise.all(
    versions.map(async (version, n): Promise<Server> => {
      const comfy = await startComfyUI({ version, timeScale });
      const link = await tcpProxy(comfy.url);
      return { name: `comfy${n} ${version}`, url: link.url, comfy, link };
    }),
  );
  const environment = { COMFYUI_URL: servers.map(({ url }) => url).join(','), ...storeIn(directory) };
  const running = await Promise.all(
    Array.from({ length: instances }, (_, n) => startInstance(`i${n}`, environment, join(directory, `i${n}.log`))),
  );
  return {
    servers,
    instances: running,
    directory,
    close: async () => {
      await Promise.all(
        running.map((instance) => {
          instance.resume();
          return instance.kill();
        }),
      );
      await Promise.all(servers.flatMap(({ comfy, link }) => [link.close(), comfy.stop()]));
      if (process.env['KEEP_LOGS'] === undefined) await rm(directory, { recursive: true, force: true });
      else console.log(`Logs are in ${directory}`);
    },
  };
}

/** Every state that Redis holds. */
export async function storedStates(ask: Redis): Promise<readonly JobState[]> {
  const keys = await ask.keys('comfyui:job:*');
  if (keys.length === 0) return [];
  return (await ask.mget(keys)).filter((json) => json !== null).map((json) => JSON.parse(json) as JobState);
}

/** Which process holds each session, by client id. */
export async function holders(ask: Redis): Promise<ReadonlyMap<string, number>> {
  const sessions = Object.keys(await ask.hgetall('jobstream:sessions'));
  const held = new Map<string, number>();
  for (const clientId of sessions) {
    const owner = await ask.get(`jobstream:lease:{${clientId}}`);
    if (owner !== null) held.set(clientId, (JSON.parse(owner) as { process?: { pid: number } }).process?.pid ?? -1);
  }
  return held;
}
