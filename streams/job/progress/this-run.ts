import { bounded, countingLeftMs } from './node-left';
import { MEASURED_TRUST, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';
import type { RunClock } from './run-clock';

/** How nodes that are done compare with what was expected of them. */
export interface ThisRun {
  /** Guesses by name: the sum of logarithms of what nodes took beside them, and of how many. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** The same by class, and by what was guessed of a class: for those that do not count. */
  readonly kinds: ReadonlyMap<string | Prior, Kind>;
  /** What was measured before: logarithms weighed by what nodes were expected to take, and the sum of that. */
  readonly known: Weighed;
}

interface Weighed {
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
const MOST = Math.log(3);
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
    log: slowness.log + Math.max(-MOST, Math.min(MOST, Math.log(tookMs / totalMs(expected)))),
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

function weighed(before: Weighed, { trust }: Expected, expectedMs: number, ratio: number): Weighed {
  if (expectedMs < QUICK_MS) return before;
  const log = Math.log(Math.max(1e-4, ratio));
  return {
    log: before.log + expectedMs * Math.max(-MOST_KNOWN, Math.min(MOST_KNOWN, log)),
    ms: before.ms + expectedMs,
    doubtMs: before.doubtMs + expectedMs * (trust < MEASURED_TRUST ? AS_ITS_CLASS : AS_BEFORE),
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
  /** How much longer nodes take in this run than in earlier ones. */
  readonly known: number;
  /** The same of nodes that do not count, by those of their class and those of which as much was guessed. */
  readonly silent: (type: string, prior: Prior | undefined) => number;
}

export function correctionsAt(run: RunClock, at: number): Corrections {
  const slowness = slownessOf(run, at);
  const kinds = withOverdue(run, at, slowness);
  return { slowness, known: knownFactor(run, at), silent: (type, prior) => silentFactor(kinds, type, prior, slowness) };
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
    if (expected.trust > 0 || run.plan.nodes.get(id)?.prior.isApart === true) continue;
    const projected = at - node.startedAt + countingLeftMs(node, expected, 1, at, undefined);
    log += Math.log(Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected)));
    count += 1;
  }
  return Math.exp(Math.max(-MOST_SLOWNESS, Math.min(MOST_SLOWNESS, log / (count + DOUBT))));
}

/** Factors up to this, e to it, are usual from run to run, and tell little. */
const USUAL = 0.3;

function knownFactor(run: RunClock, at: number): number {
  let { known } = run.thisRun;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    if (node === undefined || node.expected.trust === 0 || run.plan.nodes.get(id)?.prior.isApart === true) continue;
    const { expected, max, paceMs, startedAt } = node;
    const ratio = (at - startedAt) / totalMs(expected);
    const steps = node.value - node.firstValue;
    const expectedMs = (expected.stepMs * expected.steps * steps) / max;
    if (paceMs > 0 && expectedMs > 0) known = weighed(known, expected, expectedMs, (paceMs * steps) / expectedMs);
    else if (paceMs === 0 && ratio > 1) known = weighed(known, expected, expected.alone * totalMs(expected), ratio);
  }
  if (known.ms === 0) return 1;
  let toCome = 0;
  for (const { knownMs } of run.byClass.values()) toCome += knownMs;
  const log = known.log / (known.ms + (known.doubtMs / known.ms) * (known.ms + toCome));
  return Math.exp(log ** 3 / (log ** 2 + USUAL ** 2));
}
