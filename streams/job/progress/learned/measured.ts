import { skipped, type NodeRun } from '../node/node-run';
import { laterOf } from '../node/phases';
import { phasesMs, type Expected, type Phase } from '../plan/expected';
import type { PlanNode } from '../plan/plan';

/** How long one node took in one run. */
export interface Taken {
  /** The time before its first step, ms; all of it if it told no steps. */
  readonly beforeMs: number;
  /** The time of a step, ms; 0 if it told no steps. */
  readonly stepMs: number;
  /** Steps of a round by its first `max`, and rounds; less than one round if it ended long before that. */
  readonly steps: number;
  readonly rounds: number;
  /** The bars after its first, which the fields above are about. */
  readonly later?: readonly Phase[];
  /** The time after its last step, ms. */
  readonly afterMs: number;
  /** The share of its time that it had for itself; see `sharesOfTime`. */
  readonly alone: number;
}

/** How long one node took in its last runs; the newest is last. */
export interface Measured {
  readonly runs: readonly Taken[];
  readonly alone: number;
}

/** How many runs are kept: of five, a single unusual one changes nothing, and after three the change is believed. */
export const RUNS = 5;

/** How long a finished node took. */
export function takenBy(node: NodeRun, doneAt: number, alone = 1): Taken {
  const { first } = node;
  if (first !== undefined)
    return { ...takenBy(first, first.steppedAt, alone), later: laterOf(node), afterMs: doneAt - node.steppedAt };
  const tookMs = Math.max(0, doneAt - node.startedAt);
  const { max, paceMs, firstMax = max } = node;
  if (max <= 0 || paceMs <= 0) return { beforeMs: tookMs, stepMs: 0, steps: 1, rounds: 1, afterMs: 0, alone };
  const rounds = (node.rounds + 1) * countedShare(node, doneAt);
  const stepMs = Math.min(node.rounds > 0 ? paceOfRounds(node) : paceMs, tookMs / (max * rounds));
  const fixedMs = tookMs - stepMs * max * rounds;
  const afterMs = Math.max(0, Math.min(fixedMs, doneAt - node.steppedAt));
  // What it counted to at first is all that the next run can be compared with while it goes on.
  return { beforeMs: fixedMs - afterMs, stepMs, steps: firstMax, rounds: (rounds * max) / firstMax, afterMs, alone };
}

/** The mean time of a step in all rounds, with what is between them: each may have a pace of its own. */
function paceOfRounds({ rounds, roundMs, roundAt, steppedAt, max, firstValue, paceMs }: NodeRun): number {
  const lastMs = steppedAt - roundAt + firstValue * paceMs;
  return (rounds * roundMs + lastMs) / ((rounds + 1) * max);
}

/** A node that told this share of its `max` has counted to the end: not all steps are told. */
const TO_THE_END = 0.9;

/** The share of its `max` that a node reached: 250 of 8,192 tokens of a text, say. */
function countedShare(node: NodeRun, doneAt: number): number {
  const { max, value, toldValue = value, rounds, paceMs, steppedAt } = node;
  const untold = (doneAt - steppedAt) / paceMs;
  return rounds > 0 || toldValue + untold >= TO_THE_END * max ? 1 : (toldValue - skipped(node)) / max;
}

/** The measurements with one more run. */
export function withRun(before: Measured | undefined, taken: Taken): Measured {
  const runs = [...(before?.runs ?? []), taken].slice(-RUNS);
  const alone = before === undefined ? taken.alone : before.alone + (taken.alone - before.alone) / runs.length;
  return { runs, alone };
}

/** Added to each time, so that small differences of short times count little, ms. */
const SAME_MS = 5;
/** Times within this factor of the median are of one kind, and their mean is the best guess. */
const ONE_KIND = Math.log(1.5);

/**
 * The geometric mean of the times that are like the median, and how many those are. Of two that differ the shorter
 * counts, as a first run pays for imports.
 */
function typical(times: readonly number[]): { readonly ms: number; readonly like: number } {
  const logs = times.map((ms) => Math.log(ms + SAME_MS)).sort((a, b) => a - b);
  const middle = logs[(logs.length - 1) >> 1] ?? Math.log(SAME_MS);
  const like = logs.filter((log) => Math.abs(log - middle) <= ONE_KIND);
  const mean = like.reduce((sum, log) => sum + log, 0) / Math.max(1, like.length);
  return { ms: Math.max(0, Math.exp(mean) - SAME_MS), like: like.length };
}

const totalOf = ({ beforeMs, stepMs, steps, rounds, afterMs, later }: Taken): number =>
  beforeMs + stepMs * steps * rounds + afterMs + phasesMs(later);

/**
 * The steps of a node's longest bar, and the time besides them: what its class is known by, as others may have no bar
 * that only makes ready.
 */
export function longestBar(taken: Taken): Pick<Taken, 'stepMs' | 'steps' | 'rounds'> & { readonly besideMs: number } {
  const { stepMs, steps, rounds, later = [] } = taken;
  let longest = { steps, rounds, ms: stepMs * steps * rounds };
  for (const bar of later) if (bar.ms > longest.ms) longest = bar;
  const { ms, ...counts } = longest;
  return { ...counts, stepMs: ms / (longest.steps * longest.rounds), besideMs: totalOf(taken) - ms };
}

const middleOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? 1;

/** A prior for the spread of rounds, and its weight in runs: so rounds that never varied have a small spread, not 0. */
const SPREAD = 0.7;
const SPREAD_RUNS = 0.01;

/** The standard deviation of the logarithm of rounds; 0 for a node that never had a second round. */
function spreadOf(runs: readonly Taken[]): number {
  const logs = runs.map(({ rounds }) => Math.log(Math.max(1, rounds)));
  if (logs.every((log) => log === 0)) return 0;
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, SPREAD_RUNS * SPREAD ** 2);
  return Math.sqrt(squares / (logs.length + SPREAD_RUNS));
}

/** The bars after the first, those of the last run, each with its typical time. */
const laterFrom = (runs: readonly Taken[]): readonly Phase[] =>
  (runs.at(-1)?.later ?? []).map((last, place) => {
    const times = runs.flatMap(({ later }) => later?.[place]?.ms ?? []);
    return { ...last, ms: typical(times).ms };
  });

/**
 * The expected time by measurements, for the steps that the node declares now. The more runs differed, the less trust.
 */
export function expectedFrom({ runs, alone }: Measured, node: PlanNode): Expected {
  const counting = runs.filter(({ stepMs }) => stepMs > 0);
  const counts = 2 * counting.length > runs.length || (runs.at(-1)?.stepMs ?? 0) > 0;
  const alike = counts ? counting : runs.filter(({ stepMs }) => stepMs === 0);
  const of = (part: (taken: Taken) => number): number => typical(alike.map(part)).ms;
  const rounds = middleOf(alike.map((each) => each.rounds));
  const steps = alike.at(-1)?.steps ?? 1;
  const later = laterFrom(alike);
  const agreeing = typical(runs.map(totalOf)).like / runs.length;
  return {
    fixedMs: of(({ beforeMs }) => beforeMs),
    afterMs: of(({ afterMs }) => afterMs),
    stepMs: counts ? of(({ stepMs }) => stepMs) : 0,
    steps: counts && rounds === 1 ? (node.steps ?? steps) : steps,
    rounds,
    roundsSpread: spreadOf(alike),
    ...(later.length > 0 && { later }),
    alone,
    trust: Math.min(1, 0.6 + 0.2 * runs.length) * (0.5 + 0.5 * agreeing),
  };
}

/** How much of what a node takes is guessed to be the loading of the models that it uses. */
export interface Loading {
  readonly ms: number;
  /** The share of its time before steps, in a run that loads models. */
  readonly share: number;
}

/**
 * The expected time of a node that was measured in runs that loaded models only, for one that does not; or the other
 * way round. Its steps take the same; only the time before them is changed, by a guess of its loading, and is less sure
 * by as much.
 */
export function inOtherHeat(expected: Expected, isCold: boolean, loading: Loading): Expected {
  const { fixedMs, stepMs, trust } = expected;
  if (isCold) return { ...expected, fixedMs: fixedMs + loading.ms, trust: 0.8 * trust };
  if (stepMs > 0)
    return { ...expected, fixedMs: Math.min(fixedMs, Math.max(stepMs, loading.ms / 4)), trust: 0.8 * trust };
  return { ...expected, fixedMs: fixedMs * (1 - loading.share), trust: 0.8 * trust * (1 - loading.share / 2) };
}
