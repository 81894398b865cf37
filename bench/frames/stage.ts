/** What a part of the bench needs: a ComfyUI that talks, a Redis with jobs in it, and contenders. */
import { lastValueFrom, from, mergeMap } from 'rxjs';
import { redisStore } from '../../sinks/redis/redis-store';
import { queuedState } from '../../streams/job/job';
import type { JobState } from '../../streams/job/job-state';
import { startRedis, type RedisServer } from '../../test/support/redis/redis-server';
import {
  promptIdOf,
  started,
  type ContenderOrder,
  type Cost,
  type Fed,
  type FeederOrder,
  type Load,
  type Opened,
  type Process,
  type Way,
} from './talk';
import { workflowOf } from './wire-frames';

export type Feeder = Process<FeederOrder> & { readonly url: string };

/** One that is measured, and the client id its frames go to. */
export interface Measured {
  readonly way: Way;
  readonly clientId: string;
  readonly opened: Opened;
  readonly process: Process<ContenderOrder>;
  /** What so many frames cost it. */
  readonly cost: (feed: (clientId: string, end: number) => Promise<Fed>, frames: number) => Promise<Cost & Fed>;
  readonly stop: () => Promise<void>;
}

export async function aFeeder(): Promise<Feeder> {
  const feeder = started('feeder');
  return Object.assign(feeder, { url: await feeder.first<string>() });
}

/** Jobs that run already, of 100 users, as an instance before would have left them. */
export async function fill(
  redis: RedisServer,
  serverUrl: string,
  clientId: string,
  { nodes, jobs, seeds = false }: Load,
): Promise<void> {
  const store = redisStore({ url: redis.url, report: (where, error) => console.error(where, error) });
  const at = Date.now();
  const promptOf = (n: number) => ({ workflow: JSON.stringify(workflowOf(nodes, seeds ? n : undefined)) });
  const states = Array.from({ length: jobs }, (_, n): JobState => {
    const state = queuedState({ promptId: promptIdOf(n), type: 'bench', userId: `user ${n % 100}`, serverUrl, at });
    return { ...state, clientId, status: 'processing', phase: 'running', executionStartedAt: at };
  });
  await lastValueFrom(
    from(states).pipe(mergeMap((state, n) => store.put(state, { tag: 'outline', prompt: promptOf(n) }), 64)),
    {
      defaultValue: undefined,
    },
  );
  await lastValueFrom(store.close(), { defaultValue: undefined });
}

let named = 0;
let ended = 0;

export async function aContender(feeder: Feeder, way: Way, load: Load): Promise<Measured> {
  const clientId = `${way}-${(named += 1)}`;
  const redis = way === 'ours' ? await startRedis() : undefined;
  if (redis !== undefined) await fill(redis, feeder.url, clientId, load);
  await feeder.ask({ tag: 'hold', clientId, jobs: redis === undefined ? 0 : load.jobs });
  const process = started('contender');
  const opened = await process.ask<Opened>({
    tag: 'open',
    way,
    url: feeder.url,
    clientId,
    ...(redis !== undefined && { redis: redis.url, jobs: load.jobs }),
  });
  return {
    way,
    clientId,
    opened,
    process,
    cost: async (feed, frames) => {
      const end = (ended += 1);
      await process.ask({ tag: 'begin', frames, end });
      const fed = await feed(clientId, end);
      return { ...fed, ...(await process.ask<Cost>({ tag: 'end' })) };
    },
    stop: async () => {
      process.stop();
      await feeder.ask({ tag: 'hold', clientId, jobs: 0 });
      await redis?.stop();
    },
  };
}

export const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
