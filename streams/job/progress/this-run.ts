import { MEASURED_TRUST, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';

/** How nodes that are done compare with what was expected of them. */
export interface ThisRun {
  /** Guesses by name: the sum of logarithms of what nodes took beside them, and of how many. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** The same by class, and by what was guessed of a class: for those that do not count. */
  readonly kinds: ReadonlyMap<string | Prior, Kind>;
  /** What was measured before: logarithms weighed by what nodes were expected to take, and the sum of that. */
  readonly known: Weighed;
}

/** A logarithm, but no farther from nothing than so. */
export const within = (most: number, log: number): number => Math.max(-most, Math.min(most, log));

/** The factor of a logarithm, of which little is left where that is `usual`, and nearly all far beyond. */
export const beyondUsual = (usual: number, log: number): number => Math.exp(log ** 3 / (log ** 2 + usual ** 2));

/** What something took ÷ what it was expected to, as a logarithm. */
const logOf = (ratio: number): number => Math.log(Math.max(1e-4, ratio));

/** Logarithms of took ÷ expected, weighed by what was expected. */
export interface Weighed {
  readonly log: number;
  readonly ms: number;
  /** How much of that may be wrong in its own way, so that it says nothing of the rest. */
  readonly doubtMs: number;
}

/** Nodes of one kind that are done: what they took ÷ what was guessed. */
interface Kind {
  /** The logarithm of the first, which may have loaded what the others use; and the sum of the others’. */
  readonly first: number;
  readonly others: number;
  readonly sum: number;
  readonly count: number;
}

const noKinds: ThisRun['kinds'] = new Map();
export const nothingDone: ThisRun = {
  slowness: { log: 0, count: 0 },
  kinds: noKinds,
  known: { log: 0, ms: 0, doubtMs: 0 },
};

/** What one node says of all others, at most: three times as long, or as short. */
const MOST_LOG = Math.log(3);
/** So many kinds are told apart. */
const MOST_KINDS = 100;

/** A node is done that took so long. */
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

/** Guesses that are too short or too long say something about the next guesses. Quick nodes say nothing. */
function compared(slowness: ThisRun['slowness'], expected: Expected, tookMs: number): ThisRun['slowness'] {
  if (totalMs(expected) < 300 || tookMs < 50) return slowness;
  return {
    log: slowness.log + within(MOST_LOG, Math.log(tookMs / totalMs(expected))),
    count: slowness.count + 1,
  };
}

/** Of one measurement no more is believed than that all takes ten times as long. */
const MOST_KNOWN = Math.log(10);
/** What is quicker says nothing. */
const QUICK_MS = 50;

/** So much of what is known is taken to go as it did before, whatever the first nodes say: where it was measured, and where a class tells. */
const AS_BEFORE = 0.1;
const AS_ITS_CLASS = 1;

/** With what one more node tells that was expected to take so long, and took `ratio` times that. */
export function weighed(before: Weighed, { trust }: Expected, expectedMs: number, ratio: number): Weighed {
  if (expectedMs < QUICK_MS) return before;
  return {
    log: before.log + expectedMs * within(MOST_KNOWN, logOf(ratio)),
    ms: before.ms + expectedMs,
    doubtMs: before.doubtMs + expectedMs * (trust < MEASURED_TRUST ? AS_ITS_CLASS : AS_BEFORE),
  };
}

/** With one more node that took `ratio` times what was guessed. The first of a class that loads a model of its own says nothing of other classes. */
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

/** By which factor guesses are corrected at one moment of a run. */
export interface Corrections {
  /** How much slower than guessed this server is, by the nodes that are done and those whose pace can be seen. */
  readonly slowness: number;
  /** How much longer nodes take in this run than in earlier ones. */
  readonly known: number;
  /** The same of nodes that do not count, by those of their class and those of which as much was guessed. */
  readonly silent: (type: string, prior: Prior | undefined) => number;
}

/** What was guessed counts as two nodes of which as much was guessed. */
const GUESS = 2;
/** A node of the same class says as much as all of that if it is the first, and fifteen times as much after. */
const OTHER = 15;
/** The first of a class that loads a model of its own says so much of the next ones. */
const LOADING = 0.25;

/** By which factor the guess of a node is corrected that does not count. */
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
