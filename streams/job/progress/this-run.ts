import { bounded, countingLeftMs } from './node-left';
import { totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';
import type { RunClock } from './run-clock';

/** How nodes that are done compare with what was expected of them. */
export interface ThisRun {
  /** Guesses by name: the sum of logarithms of what nodes took beside them, and of how many. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** The same by class, and by what was guessed of a class: for those that do not count. */
  readonly kinds: ReadonlyMap<string | Prior, Kind>;
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
export const nothingDone: ThisRun = { slowness: { log: 0, count: 0 }, kinds: noKinds };

/** What one node says of all others, at most: three times as long, or as short. */
const MOST = Math.log(3);
/** So many kinds are told apart. */
const MOST_KINDS = 100;

/** A node is done that took so long. */
export function withDone(before: ThisRun, node: PlanNode, expected: Expected, tookMs: number): ThisRun {
  if (expected.trust > 0) return before;
  return {
    slowness: compared(before.slowness, expected, tookMs),
    kinds: expected.stepMs > 0 ? before.kinds : withKinds(before.kinds, node, tookMs / Math.max(1, totalMs(expected))),
  };
}

/** Guesses that are too short or too long say something about the next guesses. Quick nodes say nothing. */
function compared(slowness: ThisRun['slowness'], expected: Expected, tookMs: number): ThisRun['slowness'] {
  if (totalMs(expected) < 300 || tookMs < 50) return slowness;
  return {
    log: slowness.log + Math.max(-MOST, Math.min(MOST, Math.log(tookMs / totalMs(expected)))),
    count: slowness.count + 1,
  };
}

function withKinds(before: ThisRun['kinds'], { type, prior }: PlanNode, ratio: number): ThisRun['kinds'] {
  const kinds = new Map(before);
  for (const key of [type, prior])
    if (kinds.has(key) || kinds.size < MOST_KINDS) kinds.set(key, withOne(kinds.get(key), ratio));
  return kinds;
}

function withOne(kind: Kind | undefined, ratio: number): Kind {
  const log = Math.log(Math.max(1e-4, ratio));
  if (kind === undefined) return { first: log, others: 0, sum: ratio, count: 1 };
  return { ...kind, others: kind.others + log, sum: kind.sum + ratio, count: kind.count + 1 };
}

/** Of nodes at work at the same time, so many are looked at. */
export const AT_WORK = 64;
/** Slowness counts as so many observations of "as expected". */
const DOUBT = 3;
const MOST_SLOWNESS = Math.log(20);

/** By which factor guesses are corrected at one moment of a run. */
export interface Corrections {
  /** How much slower than guessed this server is, by the nodes that are done and those whose pace can be seen. */
  readonly slowness: number;
  /** The same of nodes that do not count, by those of their class and those of which as much was guessed. */
  readonly silent: (type: string, prior: Prior | undefined) => number;
}

export function correctionsAt(run: RunClock, at: number): Corrections {
  const slowness = slownessOf(run, at);
  const kinds = withOverdue(run, at, slowness);
  return { slowness, silent: (type, prior) => silentFactor(kinds, type, prior, slowness) };
}

/** What was guessed counts as two nodes of which as much was guessed. */
const GUESS = 2;
/** A node of the same class says as much as all of that if it is the first, and fifteen times as much after. */
const OTHER = 15;

function silentFactor(kinds: ThisRun['kinds'], type: string, prior: Prior | undefined, slowness: number): number {
  const alike = prior === undefined ? undefined : kinds.get(prior);
  const base = alike === undefined ? slowness : (GUESS * slowness + alike.sum) / (GUESS + alike.count);
  const same = kinds.get(type);
  if (same === undefined) return base;
  const weight = 1 + OTHER * (same.count - 1);
  return Math.exp((Math.log(base) + same.first + OTHER * same.others) / (1 + weight));
}

/** With the nodes at work that are past what is expected of them: they take that long at least. */
function withOverdue(run: RunClock, at: number, slowness: number): ThisRun['kinds'] {
  let { kinds } = run.thisRun;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const [node, planned] = [run.nodes.get(id), run.plan.nodes.get(id)];
    if (node === undefined || planned === undefined) continue;
    const { expected, startedAt } = node;
    const ratio = (at - startedAt) / Math.max(1, totalMs(expected));
    if (expected.trust > 0 || expected.stepMs > 0 || node.value > 0 || ratio < 1) continue;
    if (ratio > silentFactor(kinds, planned.type, planned.prior, slowness)) kinds = withKinds(kinds, planned, ratio);
  }
  return kinds;
}

function slownessOf(run: RunClock, at: number): number {
  let { log, count } = run.thisRun.slowness;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    if (node === undefined || node.paceMs === 0) continue;
    const { expected } = node;
    if (expected.trust > 0) continue;
    const projected = at - node.startedAt + countingLeftMs(node, expected, 1, at, undefined);
    log += Math.log(Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected)));
    count += 1;
  }
  return Math.exp(Math.max(-MOST_SLOWNESS, Math.min(MOST_SLOWNESS, log / (count + DOUBT))));
}
