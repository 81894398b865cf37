import type { NodeRun } from '../node/node-run';
import { laterOf } from '../node/phases';
import { phasesMs, type Expected, type Phase } from '../plan/expected';
import type { PlanNode } from '../plan/plan';

/** What one node took in one run of it. */
export interface Taken {
  /** Before its first step, in ms; all of it where it did not count. */
  readonly beforeMs: number;
  /** 0 where it did not count. */
  readonly stepMs: number;
  /** To how many it counted, and how often: a share where it ended long before. */
  readonly steps: number;
  readonly rounds: number;
  /** The bars after its first, of which the above tells; none where it had but one. */
  readonly later?: readonly Phase[];
  /** After its last step, in ms. */
  readonly afterMs: number;
  /** Which share of that it had the run to itself. */
  readonly alone: number;
}

/** What one node took in its last runs; the newest last. */
export interface Measured {
  readonly runs: readonly Taken[];
  readonly alone: number;
}

/** So many runs are kept: of five, one that is out of the ordinary says nothing, three in a row are the order now. */
export const RUNS = 5;

/** What a node took that is done. */
export function takenBy(node: NodeRun, doneAt: number, alone = 1): Taken {
  const { first } = node;
  if (first !== undefined)
    return { ...takenBy(first, first.steppedAt, alone), later: laterOf(node), afterMs: doneAt - node.steppedAt };
  const tookMs = Math.max(0, doneAt - node.startedAt);
  const { max, paceMs } = node;
  if (max <= 0 || paceMs <= 0) return { beforeMs: tookMs, stepMs: 0, steps: 1, rounds: 1, afterMs: 0, alone };
  const rounds = (node.rounds + 1) * countedShare(node, doneAt);
  const stepMs = Math.min(paceMs, tookMs / (max * rounds));
  const fixedMs = tookMs - stepMs * max * rounds;
  const afterMs = Math.max(0, Math.min(fixedMs, doneAt - node.steppedAt));
  return { beforeMs: fixedMs - afterMs, stepMs, steps: max, rounds, afterMs, alone };
}

/** So much of what it counts to a node may leave out, and have counted to the end: steps are not all told. */
const TO_THE_END = 0.9;

/** The share of its count that a node made which ended long before: a text of 250 tokens out of 8,192. */
function countedShare({ max, value, toldValue = value, rounds, paceMs, steppedAt }: NodeRun, doneAt: number): number {
  const untold = (doneAt - steppedAt) / paceMs;
  return rounds > 0 || toldValue + untold >= TO_THE_END * max ? 1 : toldValue / max;
}

/** With what the node took in one more run. */
export function withRun(before: Measured | undefined, taken: Taken): Measured {
  const runs = [...(before?.runs ?? []), taken].slice(-RUNS);
  const alone = before === undefined ? taken.alone : before.alone + (taken.alone - before.alone) / runs.length;
  return { runs, alone };
}

/** Times that differ by less are the same. */
const SAME_MS = 5;
/** Times that differ by no more than this factor are of one kind, and their mean is the best guess. */
const ONE_KIND = Math.log(1.5);

/** The mean of the times that are like the middle one, and how many those are. Of two that differ nobody knows which is the rule: the shorter, since a first run pays for imports. */
function typical(times: readonly number[]): { readonly ms: number; readonly like: number } {
  const logs = times.map((ms) => Math.log(ms + SAME_MS)).sort((a, b) => a - b);
  const middle = logs[(logs.length - 1) >> 1] ?? Math.log(SAME_MS);
  const like = logs.filter((log) => Math.abs(log - middle) <= ONE_KIND);
  const mean = like.reduce((sum, log) => sum + log, 0) / Math.max(1, like.length);
  return { ms: Math.max(0, Math.exp(mean) - SAME_MS), like: like.length };
}

const totalOf = ({ beforeMs, stepMs, steps, rounds, afterMs, later }: Taken): number =>
  beforeMs + stepMs * steps * rounds + afterMs + phasesMs(later);

const middleOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? 1;

/** So much rounds vary that were seen to be as many each time: as one run in twenty of those seen would. */
const SPREAD = 0.7;
const SPREAD_RUNS = 0.01;

/** By how much the logarithm of rounds varied. A node that never counted twice has none. */
function spreadOf(runs: readonly Taken[]): number {
  const logs = runs.map(({ rounds }) => Math.log(Math.max(1, rounds)));
  if (logs.every((log) => log === 0)) return 0;
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, SPREAD_RUNS * SPREAD ** 2);
  return Math.sqrt(squares / (logs.length + SPREAD_RUNS));
}

/** The bars after the first, as the last run had them, each with what it takes. */
const laterFrom = (runs: readonly Taken[]): readonly Phase[] =>
  (runs.at(-1)?.later ?? []).map(({ steps }, place) => {
    const times = runs.flatMap(({ later }) => later?.[place]?.ms ?? []);
    return { steps, ms: typical(times).ms };
  });

/** What was measured, for as many steps as it will take this time. Where runs differed it is less sure. */
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

/** What a node was measured to take in runs that loaded models, in one that does not; or the other way round. Its steps are the same, what comes before is not. */
export function inOtherHeat(expected: Expected, { prior }: PlanNode, isCold: boolean): Expected {
  const { fixedMs, stepMs, trust } = expected;
  const warmMs = stepMs > 0 ? Math.min(fixedMs, Math.max(stepMs, prior.fixedMs / 4)) : fixedMs;
  return { ...expected, fixedMs: isCold ? Math.max(fixedMs, prior.fixedMs) : warmMs, trust: 0.8 * trust };
}
