import type { Chance } from '../../seeded';
import type { Bench, BenchOptions } from '../../service/bench';
import type { Row } from '../../table';
import type { Feed } from '../../watching/feed';
import type { KnownState, Watchers } from '../../watching/watching';
import type { Trouble } from '../troubles';
import type { Ending, TakeOver } from './take-over';

/** Starts a bench whose instances keep jobs in one kind of store. */
export type StartStore = (options: Pick<BenchOptions, 'versions' | 'timeScale'>) => Promise<TestedStore>;

/** A bench, and all of it that depends on the store its instances have: what is known through it, and what is done to it. */
export interface TestedStore {
  readonly bench: Bench;
  readonly feed: Feed;
  /** Watchers who hear of jobs in another way than over sockets in their rooms, and what they are called. */
  readonly others: Watchers & { readonly name: string };
  /** What can be done to the store itself, and how often of all troubles together. */
  troubles(chance: Chance): Readonly<Record<string, StoreTrouble>>;
  /** Begins to look who watches the live jobs. `isAwake` knows the processes that run and are not stopped. */
  vigil(isAwake: (pid: number) => boolean): Vigil;
  /** Every state that is stored. */
  states(): Promise<readonly KnownState[]>;
  /** Ends an instance that has all live jobs, once `full` says that there are enough. Everybody is up again when it resolves. */
  drilled(full: () => Promise<void>, how: Ending): Promise<TakeOver>;
  readonly targets: {
    /** How long a take-over may take, ms. */
    readonly takeOverMs: Readonly<Record<Ending, number>>;
    /** What `Vigil.writes` counts. */
    readonly writes: string;
  };
  /** What happened, as far as it keeps the service from asking a ComfyUI for an end before that forgets it. */
  outages(happened: readonly Trouble[]): readonly Trouble[];
  /** What a run shows with this kind of store alone. `log` has the lines of all instances. */
  findings(log: readonly string[]): StoreFindings;
  close(): Promise<void>;
}

export interface StoreTrouble {
  readonly weight: number;
  act(): Promise<void>;
}

export interface StoreFindings {
  readonly rows: readonly Row[];
  /** What is wrong, in words. */
  readonly wrong: readonly string[];
}

/** For how long jobs had nobody to watch them. */
export interface Vigil {
  /** The longest time, in ms, in which a live job was watched by no process. */
  longestMs(): number;
  /** More of it. */
  details(): readonly Row[];
  /** States that were accepted, or told, so far. */
  writes(): number;
  stop(): Promise<void>;
}
