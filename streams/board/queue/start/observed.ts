import { remember } from '../../../maps/remember';
import { likely, likelyByPlan, likelyOf, type Likely, type PlannedTime, type Seen } from './likely';

/**
 * What ran. Runs of one kind differ in seeds only; those of one heat also had as many nodes cached and the same
 * outputs.
 */
export interface Ran {
  readonly kind: string;
  readonly heat: string;
  /** The same for all workflows of the same nodes and links, whatever their inputs. */
  readonly shape: string;
  /** `undefined` if its plan was not made. */
  readonly planned: PlannedTime | undefined;
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
  readonly took: (run: Ran | undefined, ms: number, isOurs: boolean, client?: string) => void;
  /** The times of the last runs of this heat, ms. */
  readonly ofHeat: (heat: string) => readonly number[];
  /** The median one of the last runs of this kind. */
  readonly ofKind: (kind: string) => (Ran & { readonly ms: number }) | undefined;
  /** The time for a run of this shape, by the last ones of it and their plans; by their plans only, if its own is sure. */
  readonly ofShape: (shape: string, planned: PlannedTime, isPlanSure: boolean) => Likely | undefined;
  /**
   * The time for a run of a workflow of which nothing else is known: that of the workflows of the same client, else of
   * all other clients, else of all; by their plans and its own, if they kept to those better than to one time.
   */
  readonly usual: (planned: PlannedTime, client: string | undefined) => Likely | undefined;
  /** The same of a run of which no workflow is known. */
  readonly usualRun: () => Usual | undefined;
  /** Which nodes were cached the last time a workflow of this kind came after its like. */
  readonly cachedOf: (kind: string) => ReadonlySet<string> | undefined;
  readonly wereCached: (kind: string, ids: ReadonlySet<string>) => void;
}

export interface Usual extends Likely {
  /** Whether there were so many, and so much alike, that the next may be expected to be so, too. */
  readonly areAlike: boolean;
}

/** A run of which `shape` and `client` are told, if they are known. */
type Run = Seen & { readonly shape: string | undefined; readonly client: string | undefined };

/** How many runs of a heat or kind are kept: one outlier does not move the median of three. */
const OF_HEAT = 3;
const OF_SHAPE = 5;
/** The spread of a single run's time, as a share of it: of one of the same shape, and of one that is any run of the server. */
const OF_SHAPE_SPREAD = 0.28;
const USUAL_SPREAD = 0.8;
/** How many runs of a server are kept. */
const OF_SERVER = 30;
/** How many of them count for a run of which no workflow is known. */
const LAST = 15;
const MOST_KINDS = 200;

export function observed(): Observed {
  const byHeat = new Map<string, readonly number[]>();
  const byKind = new Map<string, readonly (Ran & { readonly ms: number })[]>();
  const byShape = new Map<string, readonly Seen[]>();
  const cached = new Map<string, ReadonlySet<string>>();
  let strangers: readonly Run[] = [];
  let all: readonly Run[] = [];
  const others = (): readonly Run[] => (strangers.length === 0 ? all : strangers);
  let count = 0;
  return {
    count: () => count,
    took: (run, ms, isOurs, client) => {
      if (!(ms >= 0)) return;
      count += 1;
      const seen = { ms, planned: run?.planned, shape: run?.shape, client };
      all = [...all, seen].slice(-OF_SERVER);
      if (!isOurs) strangers = [...strangers, seen].slice(-OF_SERVER);
      if (run === undefined) return;
      remember(byShape, run.shape, [...(byShape.get(run.shape) ?? []), seen].slice(-OF_SHAPE), MOST_KINDS);
      remember(byHeat, run.heat, [...(byHeat.get(run.heat) ?? []), ms].slice(-OF_HEAT), MOST_KINDS);
      remember(byKind, run.kind, [...(byKind.get(run.kind) ?? []), { ...run, ms }].slice(-OF_HEAT), MOST_KINDS);
    },
    ofHeat: (heat) => byHeat.get(heat) ?? [],
    ofKind: (kind) => {
      const sorted = [...(byKind.get(kind) ?? [])].sort((a, b) => a.ms - b.ms);
      return sorted[(sorted.length - 1) >> 1];
    },
    ofShape: (shape, planned, isPlanSure) =>
      (isPlanSure ? likelyByPlan : likely)(byShape.get(shape) ?? [], planned, OF_SHAPE_SPREAD),
    usual: (planned, client) => {
      const theirs = others().filter((run) => client !== undefined && run.client === client);
      return likely(ofEachShape(theirs.length > 0 ? theirs : others()), planned, USUAL_SPREAD);
    },
    usualRun: () =>
      usualOf(
        others()
          .slice(-LAST)
          .map(({ ms }) => ms),
      ),
    cachedOf: (kind) => cached.get(kind),
    wereCached: (kind, ids) => {
      remember(cached, kind, ids, MOST_KINDS);
      count += 1;
    },
  };
}

/** One run for each shape, as the next may be of any: the middle one of its runs. */
function ofEachShape(runs: readonly Run[]): readonly Seen[] {
  const byShape = new Map<string, readonly Run[]>();
  const unknown = runs.filter(({ shape }) => shape === undefined);
  for (const run of runs) if (run.shape !== undefined) byShape.set(run.shape, [...(byShape.get(run.shape) ?? []), run]);
  const middles = [...byShape.values()].map((of) => [...of].sort((a, b) => a.ms - b.ms)[(of.length - 1) >> 1]);
  return [...unknown, ...middles.filter((run) => run !== undefined)];
}

/** Runs are alike if there are two at least, and two thirds of them within this factor of the median. */
const MOST_ALIKE = 2 / 3;
const ALIKE = 1.5;

function usualOf(times: readonly number[]): Usual | undefined {
  const ms = middleOf(times);
  const one = likelyOf(times, USUAL_SPREAD);
  if (ms === undefined || one === undefined) return undefined;
  const alike = times.filter((time) => time <= ALIKE * ms && ms <= ALIKE * time).length;
  const areAlike = times.length >= 2 && alike >= MOST_ALIKE * times.length;
  return { ...one, ...(areAlike && { ms }), areAlike };
}

/** The median of some times, for an even number the geometric mean of the middle two; `undefined` for none. */
export function middleOf(times: readonly number[]): number | undefined {
  const sorted = [...times].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : Math.sqrt(low * high);
}
