import { MEASURED_TRUST, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';

/** How long this run's finished nodes took, compared with what was expected of them. */
export interface ThisRun {
  /** Of nodes guessed by name: the sum of the logarithms of took ÷ guessed, and the number of nodes. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** Of guessed nodes that do not count steps: by their class, and by the prior that their class shares with others. */
  readonly kinds: ReadonlyMap<string | Prior, Kind>;
  /** Of nodes measured in earlier runs. */
  readonly known: Weighed;
}

/** A logarithm, limited to ±`most`. */
export const within = (most: number, log: number): number => Math.max(-most, Math.min(most, log));

/** The factor of a logarithm, damped: nearly 1 within ±`usual`, nearly all of the factor far beyond. */
export const beyondUsual = (usual: number, log: number): number => Math.exp(log ** 3 / (log ** 2 + usual ** 2));

/** The logarithm of took ÷ expected. */
const logOf = (ratio: number): number => Math.log(Math.max(1e-4, ratio));

/** A mean of logarithms of took ÷ expected, weighed by the expected times. */
export interface Weighed {
  /** The sum of logarithm × expected ms. */
  readonly log: number;
  /** The sum of expected ms. */
  readonly ms: number;
  /** Expected ms × how far a node's deviation may be its own, which says nothing of other nodes. */
  readonly doubtMs: number;
}

/** Took ÷ guessed of the finished nodes of one kind. */
interface Kind {
  /** The logarithm of the first node, which may have loaded what the others use; and the sum of the others’. */
  readonly first: number;
  readonly others: number;
  /** The sum of the ratios themselves, and their number. */
  readonly sum: number;
  readonly count: number;
}

const noKinds: ThisRun['kinds'] = new Map();
export const nothingDone: ThisRun = {
  slowness: { log: 0, count: 0 },
  kinds: noKinds,
  known: { log: 0, ms: 0, doubtMs: 0 },
};

/** The most that one guessed node may say of the others: a factor of three. */
const MOST_LOG = Math.log(3);
/** How many kinds are kept. */
const MOST_KINDS = 100;

/** The comparison with one more finished node. */
export function withDone(before: ThisRun, node: PlanNode, expected: Expected, tookMs: number): ThisRun {
  const isApart = node.prior.isApart === true;
  if (expected.trust > 0) {
    if (isApart) return before;
    const ms = totalMs(expected);
    return { ...before, known: weighed(before.known, expected, expected.alone * ms, tookMs / Math.max(1, ms)) };
  }
  return {
    ...before,
    slowness: isApart ? before.slowness : compared(before.slowness, expected, tookMs),
    kinds: expected.stepMs > 0 ? before.kinds : withKinds(before.kinds, node, tookMs / Math.max(1, totalMs(expected))),
  };
}

/** `slowness` with one more node that was guessed; quick nodes say nothing. */
function compared(slowness: ThisRun['slowness'], expected: Expected, tookMs: number): ThisRun['slowness'] {
  if (totalMs(expected) < 300 || tookMs < 50) return slowness;
  return {
    log: slowness.log + within(MOST_LOG, Math.log(tookMs / totalMs(expected))),
    count: slowness.count + 1,
  };
}

/** The most that one measured node may say of the others: a factor of ten. */
const MOST_KNOWN = Math.log(10);
/** Nodes that were expected to be quicker say nothing. */
const QUICK_MS = 50;

/**
 * How far a node's deviation counts as its own (`doubtMs`): of one that was measured, and of one known by its class.
 */
const AS_BEFORE = 0.1;
const AS_ITS_CLASS = 1;

/** The mean with one more node, which was expected to take `expectedMs` and took `ratio` times that. */
export function weighed(before: Weighed, { trust }: Expected, expectedMs: number, ratio: number): Weighed {
  if (expectedMs < QUICK_MS) return before;
  return {
    log: before.log + expectedMs * within(MOST_KNOWN, logOf(ratio)),
    ms: before.ms + expectedMs,
    doubtMs: before.doubtMs + expectedMs * (trust < MEASURED_TRUST ? AS_ITS_CLASS : AS_BEFORE),
  };
}

/**
 * The kinds with one more node, which took `ratio` times what was guessed. The first node of a class that loads a model
 * of its own says nothing of other classes.
 */
export function withKinds(before: ThisRun['kinds'], { type, prior }: PlanNode, ratio: number): ThisRun['kinds'] {
  const kinds = new Map(before);
  const isLoading = prior.loadsItself === true && !before.has(type);
  for (const key of isLoading ? [type] : [type, prior])
    if (kinds.has(key) || kinds.size < MOST_KINDS) kinds.set(key, withOne(kinds.get(key), ratio));
  return kinds;
}

function withOne(kind: Kind | undefined, ratio: number): Kind {
  const log = logOf(ratio);
  if (kind === undefined) return { first: log, others: 0, sum: ratio, count: 1 };
  return { ...kind, others: kind.others + log, sum: kind.sum + ratio, count: kind.count + 1 };
}

/** The factors that correct expected times at one moment of a run. */
export interface Corrections {
  /** For guesses: how much slower than guessed this server is, by finished nodes and those whose pace is known. */
  readonly slowness: number;
  /** For measured times: how much longer nodes take in this run than in earlier ones. */
  readonly known: number;
  /** For guesses of nodes that do not count steps: by nodes of their class, and of the same prior. */
  readonly silent: (type: string, prior: Prior | undefined) => number;
}

/** The weight of the general slowness, in nodes of the same prior. */
const GUESS = 2;
/** The weight of a second or later node of the same class; the first, which may have loaded a model, has weight 1. */
const OTHER = 15;
/** The weight of the first node of a class that loads a model of its own. */
const LOADING = 0.25;

/** The factor that corrects the guess for a node that does not count steps. */
export function silentFactor(
  kinds: ThisRun['kinds'],
  type: string,
  prior: Prior | undefined,
  slowness: number,
): number {
  const alike = prior === undefined ? undefined : kinds.get(prior);
  const base = alike === undefined ? slowness : (GUESS * slowness + alike.sum) / (GUESS + alike.count);
  const same = kinds.get(type);
  if (same === undefined) return base;
  const first = prior?.loadsItself === true ? LOADING : 1;
  const weight = first + OTHER * (same.count - 1);
  return Math.exp((Math.log(base) + first * same.first + OTHER * same.others) / (1 + weight));
}
