import { setTimeout as sleep } from 'node:timers/promises';
import { isSettled } from '../../../streams/job/job-state';
import type { Server } from '../service/bench';
import type { Instance } from '../service/instance';
import type { Chance } from '../seeded';
import { onInstance, onServer } from './doings';
import type { StoreTrouble, TestedStore } from './stores/tested-store';
import type { Trouble } from './troubles';
import type { Truth } from '../verdicts/truth';

/** How often each kind comes, of all together; those of the store are its own. */
const ON_INSTANCES = { 'kill -9': 5, SIGTERM: 4, 'SIGSTOP instance': 3 };
const ON_SERVERS = {
  'ComfyUI outage': 1.5,
  'ComfyUI restart': 0.8,
  'ComfyUI link reset': 1,
  'ComfyUI stale sockets': 1,
  'ComfyUI link frozen': 1,
  'ComfyUI link slow': 1,
};

const KILLS_AND_STOPS: ReadonlySet<string> = new Set([
  ...Object.keys(ON_INSTANCES),
  'kill -9 Redis',
  'SIGSTOP Redis',
  'ComfyUI restart',
]);

/** Between the decision to kill a server and its end, jobs may still reach it. */
const SOON_MS = 300;
/** An instance finds out after up to 3 s that a link to the store was dead, and then writes what has waited. */
const FLUSHED_MS = 5_000;

/** What is done to everything that runs, at random. */
export interface Mischief {
  readonly happened: readonly Trouble[];
  /** Whether a process runs, and is not stopped. */
  isAwake(pid: number): boolean;
  killsAndStops(): number;
  /** Does one thing after the other until it is over, some of them at the same time. Resolves once all are over and everybody is up. */
  until(isOver: () => boolean, everyMs: number): Promise<void>;
}

export function mischief(store: TestedStore, truth: Truth, chance: Chance): Mischief {
  const doing = new Doing(store, truth, chance);
  const { instances } = store.bench;
  return {
    happened: doing.happened,
    isAwake: (pid) => !doing.asleep.has(pid) && instances.some((instance) => instance.isUp && instance.pid === pid),
    killsAndStops: () => doing.happened.filter(({ what }) => KILLS_AND_STOPS.has(what)).length,
    until: async (isOver, everyMs) => {
      const acts: Promise<void>[] = [];
      while (!isOver()) {
        acts.push(doing.act(doing.anyKind()));
        await sleep(everyMs * chance.between(0.7, 1.3));
      }
      await Promise.all(acts);
    },
  };
}

/** A store has one thing done to it at a time, as each instance and each server. */
type Victim = Instance | Server | TestedStore;
type Acts<T> = Readonly<Record<string, (whom: T) => Promise<void>>>;

class Doing {
  readonly happened: Trouble[] = [];
  readonly asleep = new Set<number>();
  readonly #busy = new Set<Victim>();
  readonly #store: TestedStore;
  readonly #truth: Truth;
  readonly #chance: Chance;
  readonly #onInstance: Acts<Instance>;
  readonly #onServer: Acts<Server>;
  readonly #onStore: Readonly<Record<string, StoreTrouble>>;
  readonly #weights: readonly (readonly [kind: string, weight: number])[];

  constructor(store: TestedStore, truth: Truth, chance: Chance) {
    this.#store = store;
    this.#truth = truth;
    this.#chance = chance;
    this.#onInstance = onInstance(chance, this.asleep);
    this.#onServer = onServer(truth, chance);
    this.#onStore = store.troubles(chance);
    const ofStore = Object.entries(this.#onStore).map(([kind, { weight }]) => [kind, weight] as const);
    this.#weights = [...Object.entries(ON_INSTANCES), ...ofStore, ...Object.entries(ON_SERVERS)];
  }

  anyKind(): string {
    let left = this.#chance.number() * this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of this.#weights) {
      left -= weight;
      if (left < 0) return kind;
    }
    return 'kill -9';
  }

  async act(kind: string): Promise<void> {
    const whom = this.#victim(kind);
    if (whom === undefined) return;
    this.#busy.add(whom);
    const server = kind in this.#onServer ? (whom as Server) : undefined;
    const from = Date.now();
    const struck = new Set(server === undefined ? [] : this.#liveAt(server));
    // The feed knows neither what was submitted while the store was away, nor what its submitter was not told of.
    if (kind === 'ComfyUI restart' && server !== undefined)
      for (const order of await this.#truth.held(server.comfy)) struck.add(order);
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
    // Until everybody has heard that the store is back, and written what waited for it.
    if (whom === this.#store) await sleep(FLUSHED_MS);
    this.#busy.delete(whom);
  }

  async #done(kind: string, whom: Victim): Promise<void> {
    await this.#onInstance[kind]?.(whom as Instance);
    await this.#onServer[kind]?.(whom as Server);
    await this.#onStore[kind]?.act();
  }

  /** Whom it is done to; nobody where all of them have trouble already, or would be left with nobody to take over. */
  #victim(kind: string): Victim | undefined {
    const { servers, instances } = this.#store.bench;
    if (kind in this.#onStore) return instances.some(({ isUp }) => !isUp) ? undefined : this.#free([this.#store])[0];
    if (kind in this.#onServer) return this.#any(this.#free(servers));
    // What an instance was told while its store was away it alone knows (R12): killed then, it takes that along for good.
    const isAlone = this.#busy.has(this.#store) && kind !== 'SIGSTOP instance';
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
    return [...this.#store.feed.latest.values()]
      .filter((state) => !isSettled(state) && state.serverUrl === server.url && state.startedAt <= until)
      .map(({ metadata }) => Number(metadata?.['order']));
  }
}
