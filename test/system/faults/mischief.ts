import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../streams/job/job-state';
import type { Bench, Server } from '../service/bench';
import type { Feed } from '../watching/feed';
import type { Instance } from '../service/instance';
import type { Chance } from '../seeded';
import type { Trouble } from './troubles';
import type { Truth } from '../verdicts/truth';

/** How often each kind comes, of all together. */
const WEIGHTS = {
  'kill -9': 5,
  SIGTERM: 4,
  'SIGSTOP instance': 3,
  'kill -9 Redis': 1.2,
  'SIGSTOP Redis': 1.2,
  'Redis link reset': 1,
  'Redis link half-open': 1,
  'Redis link slow': 0.8,
  'ComfyUI outage': 1.5,
  'ComfyUI restart': 0.8,
  'ComfyUI link reset': 1,
  'ComfyUI stale sockets': 1,
  'ComfyUI link frozen': 1,
  'ComfyUI link slow': 1,
};
type Kind = keyof typeof WEIGHTS;

const KILLS_AND_STOPS: ReadonlySet<string> = new Set<Kind>([
  'kill -9',
  'SIGTERM',
  'SIGSTOP instance',
  'kill -9 Redis',
  'SIGSTOP Redis',
  'ComfyUI restart',
]);

/** Between the decision to kill a server and its end, jobs may still reach it. */
const SOON_MS = 300;

/** Leases run out after 10 s: whoever sleeps for longer wakes up as a zombie. */
const ZOMBIE_MS = [12_500, 15_000] as const;

/** What is done to everything that runs, at random. */
export interface Mischief {
  readonly happened: readonly Trouble[];
  /** Whether a process runs, and is not stopped. */
  isAwake(pid: number): boolean;
  killsAndStops(): number;
  /** Does one thing after the other until then, some of them at the same time. Resolves once all are over and everybody is up. */
  until(end: number, everyMs: number): Promise<void>;
}

export function mischief(bench: Bench, truth: Truth, feed: Feed, chance: Chance): Mischief {
  const happened: Trouble[] = [];
  const asleep = new Set<number>();
  const busy = new Set<unknown>();

  const struckAt = (server: Server, until = Number.POSITIVE_INFINITY): number[] =>
    [...feed.latest.values()]
      .filter((state) => !isSettled(state) && state.serverUrl === server.url && state.startedAt <= until)
      .map(({ metadata }) => Number(metadata?.['order']));

  const restartLater = async (instance: Instance): Promise<void> => {
    await sleep(chance.between(200, 3_000));
    await instance.start();
  };
  const onInstance: Partial<Record<Kind, (instance: Instance) => Promise<void>>> = {
    'kill -9': async (instance) => {
      await instance.kill();
      await restartLater(instance);
    },
    SIGTERM: async (instance) => {
      await instance.terminate();
      await restartLater(instance);
    },
    'SIGSTOP instance': async (instance) => {
      const { pid } = instance;
      instance.pause();
      asleep.add(pid);
      await sleep(chance.between(...ZOMBIE_MS));
      instance.resume();
      asleep.delete(pid);
    },
  };
  const onRedis: Partial<Record<Kind, () => Promise<void>>> = {
    'kill -9 Redis': async () => {
      await bench.redis.kill();
      await sleep(chance.between(200, 4_000));
      await bench.redis.start();
    },
    'SIGSTOP Redis': async () => {
      bench.redis.pause();
      await sleep(chance.between(2_000, 8_000));
      bench.redis.resume();
    },
    'Redis link reset': () => {
      bench.redisLink.reset();
      return Promise.resolve();
    },
    'Redis link slow': async () => {
      bench.redisLink.slow(chance.between(20, 150));
      await sleep(chance.between(2_000, 6_000));
      bench.redisLink.slow(0);
    },
    'Redis link half-open': async () => {
      bench.redisLink.pause();
      await sleep(chance.between(2_000, 6_000));
      bench.redisLink.resume();
    },
  };
  const onServer: Partial<Record<Kind, (server: Server) => Promise<void>>> = {
    'ComfyUI outage': async ({ link }) => {
      link.refuse();
      link.reset();
      await sleep(chance.between(3_000, 10_000));
      link.accept();
    },
    'ComfyUI restart': async ({ comfy }) => {
      await truth.read(comfy);
      await comfy.kill();
      await sleep(chance.between(500, 5_000));
      await comfy.restart();
    },
    'ComfyUI link reset': ({ link }) => {
      link.reset();
      return Promise.resolve();
    },
    'ComfyUI stale sockets': async ({ link }) => {
      link.cutClients();
      await sleep(chance.between(1_000, 4_000));
      link.releaseServers();
    },
    'ComfyUI link slow': async ({ link }) => {
      link.slow(chance.between(100, 600), chance.between(20_000, 200_000));
      await sleep(chance.between(2_000, 6_000));
      link.slow(0);
    },
    'ComfyUI link frozen': async ({ link }) => {
      link.pause();
      await sleep(chance.between(1_000, 5_000));
      link.resume();
    },
  };

  /** Whom it is done to; nobody where all of them have trouble already, or would be left with nobody to take over. */
  function victim(kind: Kind): Instance | Server | Bench['redis'] | undefined {
    const free = <T>(some: readonly T[]): readonly T[] => some.filter((one) => !busy.has(one));
    if (kind in onRedis) return isAnybodyDown() ? undefined : free([bench.redis])[0];
    if (kind in onServer) return any(free(bench.servers));
    // What an instance was told while Redis was away it alone knows (R12): killed then, it takes that along for good.
    const isAlone = busy.has(bench.redis) && kind !== 'SIGSTOP instance';
    return isAlone || (kind === 'SIGSTOP instance' && asleep.size > 0) ? undefined : any(free(bench.instances));
  }
  const isAnybodyDown = (): boolean => bench.instances.some(({ isUp }) => !isUp);
  const any = <T>(some: readonly T[]): T | undefined => (some.length === 0 ? undefined : chance.pick(some));

  async function act(kind: Kind): Promise<void> {
    const whom = victim(kind);
    if (whom === undefined) return;
    busy.add(whom);
    const server = kind in onServer ? (whom as Server) : undefined;
    const from = Date.now();
    const struck = new Set(server === undefined ? [] : struckAt(server));
    await (onInstance[kind]?.(whom as Instance) ?? onServer[kind]?.(whom as Server) ?? onRedis[kind]?.());
    // What came just before is told only later.
    if (server !== undefined) for (const order of struckAt(server, from + SOON_MS)) struck.add(order);
    happened.push({
      what: kind,
      ...(server !== undefined && { server: server.url }),
      from,
      to: Date.now(),
      struck: [...struck],
    });
    busy.delete(whom);
  }

  const total = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);
  function kind(): Kind {
    let left = chance.number() * total;
    for (const [name, weight] of Object.entries(WEIGHTS)) {
      left -= weight;
      if (left < 0) return name as Kind;
    }
    return 'kill -9';
  }

  return {
    happened,
    isAwake: (pid) => !asleep.has(pid) && bench.instances.some((instance) => instance.isUp && instance.pid === pid),
    killsAndStops: () => happened.filter(({ what }) => KILLS_AND_STOPS.has(what)).length,
    until: async (end, everyMs) => {
      const acts: Promise<void>[] = [];
      while (Date.now() < end) {
        acts.push(act(kind()));
        await sleep(everyMs * chance.between(0.7, 1.3));
      }
      await Promise.all(acts);
    },
  };
}
