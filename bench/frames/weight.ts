/** What a job and a socket weigh, in memory and in Redis, and how long it takes to take up many jobs. */
import { Redis } from 'ioredis';
import { startRedis } from '../../test/support/redis/redis-server';
import { aContender, type Feeder } from './stage';
import { promptIdOf, started, type Fed, type Opened } from './talk';

export interface TakenUp {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly heapKbPerJob: number;
}

/** So many jobs taken up from Redis, all of one workflow or each with a seed, and the heap they take once each has had a frame. */
export async function takenUp(feeder: Feeder, jobs: number, seeds: boolean): Promise<TakenUp> {
  const none = await aContender(feeder, 'ours', { nodes: 1, jobs: 0 });
  const empty = (await none.process.ask<{ heapBytes: number }>({ tag: 'heap' })).heapBytes;
  await none.stop();
  const load = { nodes: 1, jobs, seeds };
  const contender = await aContender(feeder, 'ours', load);
  const feed = (clientId: string, end: number) =>
    feeder.ask<Fed>({
      tag: 'pace',
      clientId,
      load,
      perSecond: Math.min(jobs, 5_000),
      seconds: Math.ceil(jobs / 5_000) + 1,
      end,
    });
  await contender.cost(feed, 0);
  const { heapBytes } = await contender.process.ask<{ heapBytes: number }>({ tag: 'heap' });
  await contender.stop();
  const { takenUpMs = 0, takenUpCpuMs = 0 } = contender.opened;
  return {
    seconds: takenUpMs / 1_000,
    cpuSeconds: takenUpCpuMs / 1_000,
    heapKbPerJob: (heapBytes - empty) / jobs / 1024,
  };
}

/** RSS and heap of a socket in a room of its own. */
export async function perSocket(
  feeder: Feeder,
  sockets: number,
): Promise<{ readonly heapKb: number; readonly rssKb: number }> {
  const contender = await aContender(feeder, 'ours', { nodes: 1, jobs: sockets });
  const memory = () => contender.process.ask<{ heapBytes: number; rssBytes: number }>({ tag: 'heap' });
  const before = await memory();
  const listeners = started('listeners');
  const rooms = Array.from({ length: sockets }, (_, n) => [promptIdOf(n)]);
  await listeners.ask({ tag: 'join', url: contender.opened.gateway ?? '', rooms });
  const after = await memory();
  listeners.stop();
  await contender.stop();
  return {
    heapKb: (after.heapBytes - before.heapBytes) / sockets / 1024,
    rssKb: (after.rssBytes - before.rssBytes) / sockets / 1024,
  };
}

export interface InRedis {
  readonly scripts: number;
  readonly commands: number;
  readonly sentKb: number;
  readonly storedKb: number;
}

const STEPS = 20;

/** What a job costs Redis from its submission to its end, with a step every 100 ms for two seconds. */
export async function inRedis(feeder: Feeder, jobs: number): Promise<InRedis> {
  const redis = await startRedis();
  const asking = new Redis(redis.url);
  const contender = started('contender');
  const clientId = `redis-${jobs}`;
  await contender.ask<Opened>({ tag: 'open', way: 'ours', url: feeder.url, clientId, redis: redis.url });
  const info = async (): Promise<string> =>
    `${await asking.info('stats')}${await asking.info('memory')}${await asking.info('commandstats')}`;
  const numberIn = (text: string, name: string): number => Number(new RegExp(`${name}[:=](\\d+)`).exec(text)?.[1] ?? 0);
  const called = (text: string): number =>
    numberIn(text, 'cmdstat_evalsha:calls') + numberIn(text, 'cmdstat_eval:calls');
  const before = await info();
  await contender.ask({ tag: 'submit', jobs });
  await feeder.ask<Fed>({ tag: 'live', clientId, steps: STEPS });
  await contender.ask({ tag: 'settled' });
  const after = await info();
  const perJob = (name: string): number => (numberIn(after, name) - numberIn(before, name)) / jobs;
  contender.stop();
  asking.disconnect();
  await redis.stop();
  return {
    scripts: (called(after) - called(before)) / jobs,
    commands: perJob('total_commands_processed'),
    sentKb: perJob('total_net_input_bytes') / 1024,
    storedKb: perJob('used_memory') / 1024,
  };
}
