import { remember } from '../../../maps/remember';

/**
 * What ran. Runs of one kind differ in seeds only; those of one heat also had as many nodes cached and the same
 * outputs.
 */
export interface Ran {
  readonly kind: string;
  readonly heat: string;
  /** Whether nothing was cached. */
  readonly isCold: boolean;
}

/**
 * How long runs on one server took, ours and other clients', if their start and end were seen. Bounded: the kinds and
 * heats not seen for longest are forgotten first.
 */
export interface Observed {
  /** Grows with each observation. */
  readonly count: () => number;
  /** Adds a run and its time; `undefined` if it is not known what ran. */
  readonly took: (run: Ran | undefined, ms: number, isOurs: boolean) => void;
  /** The times of the last runs of this heat, ms. */
  readonly ofHeat: (heat: string) => readonly number[];
  /** The median one of the last runs of this kind. */
  readonly ofKind: (kind: string) => (Ran & { readonly ms: number }) | undefined;
  /**
   * The time for a run of which nothing else is known: the median of other clients' runs, or of all if there are none.
   * `areAlike`: they were so many, and so much alike, that the next may be expected to be so, too.
   */
  readonly usual: () => Usual | undefined;
  /** Which nodes were cached the last time a workflow of this kind came after its like. */
  readonly cachedOf: (kind: string) => ReadonlySet<string> | undefined;
  readonly wereCached: (kind: string, ids: ReadonlySet<string>) => void;
}

export interface Usual {
  readonly ms: number;
  readonly areAlike: boolean;
}

/** How many runs of a heat or kind are kept: one outlier does not move the median of three. */
const OF_HEAT = 3;
/** How many runs of a server are kept. */
const OF_SERVER = 15;
const MOST_KINDS = 200;

export function observed(): Observed {
  const byHeat = new Map<string, readonly number[]>();
  const byKind = new Map<string, readonly (Ran & { readonly ms: number })[]>();
  const cached = new Map<string, ReadonlySet<string>>();
  let strangers: readonly number[] = [];
  let all: readonly number[] = [];
  let count = 0;
  return {
    count: () => count,
    took: (run, ms, isOurs) => {
      if (!(ms >= 0)) return;
      count += 1;
      all = [...all, ms].slice(-OF_SERVER);
      if (!isOurs) strangers = [...strangers, ms].slice(-OF_SERVER);
      if (run === undefined) return;
      remember(byHeat, run.heat, [...(byHeat.get(run.heat) ?? []), ms].slice(-OF_HEAT), MOST_KINDS);
      remember(byKind, run.kind, [...(byKind.get(run.kind) ?? []), { ...run, ms }].slice(-OF_HEAT), MOST_KINDS);
    },
    ofHeat: (heat) => byHeat.get(heat) ?? [],
    ofKind: (kind) => {
      const sorted = [...(byKind.get(kind) ?? [])].sort((a, b) => a.ms - b.ms);
      return sorted[(sorted.length - 1) >> 1];
    },
    usual: () => usualOf(strangers.length === 0 ? all : strangers),
    cachedOf: (kind) => cached.get(kind),
    wereCached: (kind, ids) => {
      remember(cached, kind, ids, MOST_KINDS);
      count += 1;
    },
  };
}

/** Runs are alike if there are two at least, and two thirds of them within this factor of the median. */
const MOST_ALIKE = 2 / 3;
const ALIKE = 1.5;

function usualOf(times: readonly number[]): Usual | undefined {
  const ms = middleOf(times);
  if (ms === undefined) return undefined;
  const alike = times.filter((time) => time <= ALIKE * ms && ms <= ALIKE * time).length;
  return { ms, areAlike: times.length >= 2 && alike >= MOST_ALIKE * times.length };
}

/** The median of some times, for an even number the geometric mean of the middle two; `undefined` for none. */
export function middleOf(times: readonly number[]): number | undefined {
  const sorted = [...times].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : Math.sqrt(low * high);
}
