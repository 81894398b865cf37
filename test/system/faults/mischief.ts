import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../streams/job/job-state';
import type { Bench, Server } from '../service/bench';
import type { Feed } from '../watching/feed';
import type { Instance } from '../service/instance';
import type { Chance } from '../seeded';
import { onInstance, onRedis, onServer } from './doings';
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
  const doing = new Doing(bench, truth, feed, chance);
  return {
    happened: doing.happened,
    isAwake: (pid) =>
      !doing.asleep.has(pid) && bench.instances.some((instance) => instance.isUp && instance.pid === pid),
    killsAndStops: () => doing.happened.filter(({ what }) => KILLS_AND_STOPS.has(what)).length,
    until: async (end, everyMs) => {
      const acts: Promise<void>[] = [];
      while (Date.now() < end) {
        acts.push(doing.act(anyKind(chance)));
        await sleep(everyMs * chance.between(0.7, 1.3));
      }
      await Promise.all(acts);
    },
  };
}

const TOTAL = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);

function anyKind(chance: Chance): Kind {
  let left = chance.number() * TOTAL;
  for (const [name, weight] of Object.entries(WEIGHTS)) {
    left -= weight;
    if (left < 0) return name as Kind;
  }
  return 'kill -9';
}

type Victim = Instance | Server | Bench['redis'];
type Acts<T> = Partial<Record<Kind, (whom: T) => Promise<void>>>;

class Doing {
  readonly happened: Trouble[] = [];
  readonly asleep = new Set<number>();
  readonly #busy = new Set<Victim>();
  readonly #bench: Bench;
  readonly #feed: Feed;
  readonly #chance: Chance;
  readonly #onInstance: Acts<Instance>;
  readonly #onServer: Acts<Server>;
  readonly #onRedis: Acts<Bench['redis']>;

  constructor(bench: Bench, truth: Truth, feed: Feed, chance: Chance) {
    this.#bench = bench;
    this.#feed = feed;
    this.#chance = chance;
    this.#onInstance = onInstance(chance, this.asleep);
    this.#onServer = onServer(truth, chance);
    this.#onRedis = onRedis(bench, chance);
  }

  async act(kind: Kind): Promise<void> {
    const whom = this.#victim(kind);
    if (whom === undefined) return;
    this.#busy.add(whom);
    const server = kind in this.#onServer ? (whom as Server) : undefined;
    const from = Date.now();
    const struck = new Set(server === undefined ? [] : this.#liveAt(server));
    await this.#done(kind, whom);
    // What came just before is told only later.
    if (server !== undefined) for (const order of this.#liveAt(server, from + SOON_MS)) struck.add(order);
    this.happened.push({
      what: kind,
      ...(server !== undefined && { server: server.url }),
      from,
      to: Date.now(),
      struck: [...struck],
    });
    this.#busy.delete(whom);
  }

  async #done(kind: Kind, whom: Victim): Promise<void> {
    await this.#onInstance[kind]?.(whom as Instance);
    await this.#onServer[kind]?.(whom as Server);
    await this.#onRedis[kind]?.(whom as Bench['redis']);
  }

  /** Whom it is done to; nobody where all of them have trouble already, or would be left with nobody to take over. */
  #victim(kind: Kind): Victim | undefined {
    const { redis, servers, instances } = this.#bench;
    if (kind in this.#onRedis) return instances.some(({ isUp }) => !isUp) ? undefined : this.#free([redis])[0];
    if (kind in this.#onServer) return this.#any(this.#free(servers));
    // What an instance was told while Redis was away it alone knows (R12): killed then, it takes that along for good.
    const isAlone = this.#busy.has(redis) && kind !== 'SIGSTOP instance';
    if (isAlone || (kind === 'SIGSTOP instance' && this.asleep.size > 0)) return undefined;
    return this.#any(this.#free(instances));
  }

  #free<T extends Victim>(some: readonly T[]): readonly T[] {
    return some.filter((one) => !this.#busy.has(one));
  }

  #any<T>(some: readonly T[]): T | undefined {
    return some.length === 0 ? undefined : this.#chance.pick(some);
  }

  /** The orders of the unsettled jobs at a server that were submitted until then. */
  #liveAt(server: Server, until = Number.POSITIVE_INFINITY): number[] {
    return [...this.#feed.latest.values()]
      .filter((state) => !isSettled(state) && state.serverUrl === server.url && state.startedAt <= until)
      .map(({ metadata }) => Number(metadata?.['order']));
  }
}
