import type { Expected } from '../plan/expected';
import type { NodeRun } from '../node-run';
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
const RUNS = 5;

/** What a node took that is done. */
export function takenBy(node: NodeRun, doneAt: number, alone = 1): Taken {
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

const totalOf = ({ beforeMs, stepMs, steps, rounds, afterMs }: Taken): number =>
  beforeMs + stepMs * steps * rounds + afterMs;

const middleOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? 1;

/** What was measured, for as many steps as it will take this time. Where runs differed it is less sure. */
export function expectedFrom({ runs, alone }: Measured, node: PlanNode): Expected {
  const counting = runs.filter(({ stepMs }) => stepMs > 0);
  const counts = 2 * counting.length > runs.length || (runs.at(-1)?.stepMs ?? 0) > 0;
  const alike = counts ? counting : runs.filter(({ stepMs }) => stepMs === 0);
  const of = (part: (taken: Taken) => number): number => typical(alike.map(part)).ms;
  const rounds = middleOf(alike.map((each) => each.rounds));
  const steps = alike.at(-1)?.steps ?? 1;
  const agreeing = typical(runs.map(totalOf)).like / runs.length;
  return {
    fixedMs: of(({ beforeMs }) => beforeMs),
    afterMs: of(({ afterMs }) => afterMs),
    stepMs: counts ? of(({ stepMs }) => stepMs) : 0,
    steps: counts && rounds === 1 ? (node.steps ?? steps) : steps,
    rounds,
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

const rounded = (value: number): number => Number(value.toPrecision(3));

/** `[alone, [ms…]]` of a node that did not count, else with steps' times, steps, rounds and what came after, run by run; one number where all are the same. */
export function measuredToText({ runs, alone }: Measured): string {
  const column = (of: (taken: Taken) => number): readonly number[] => runs.map((taken) => rounded(of(taken)));
  const short = (values: readonly number[]): unknown =>
    values.every((each) => each === values[0]) ? values[0] : values;
  const before = column(({ beforeMs }) => beforeMs);
  if (runs.every(({ stepMs }) => stepMs === 0)) return JSON.stringify([rounded(alone), before]);
  const others = [
    column(({ stepMs }) => stepMs),
    column(({ steps }) => steps),
    column(({ rounds }) => rounds),
    column(({ afterMs }) => afterMs),
  ];
  return JSON.stringify([rounded(alone), before, ...others.map(short)]);
}

/** Reads what `measuredToText` wrote, or its forerunner; `undefined` where it is anything else. */
export function measuredFrom(value: unknown): Measured | undefined {
  if (!Array.isArray(value)) return undefined;
  if (value.length === 6 && areAmounts(value)) return fromMeans(value);
  const [alone, before, ...others] = value as readonly unknown[];
  if (!isAmount(alone) || !areAmounts(before) || before.length === 0 || before.length > RUNS) return undefined;
  const columns = others.map((column) => (isAmount(column) ? before.map(() => column) : column));
  const isWhole = (column: unknown): column is readonly number[] =>
    areAmounts(column) && column.length === before.length;
  if ((columns.length !== 0 && columns.length !== 4) || !columns.every(isWhole)) return undefined;
  const at = (column: number, run: number, otherwise: number): number => columns[column]?.[run] ?? otherwise;
  const runs = before.map((beforeMs, run) => ({
    ...{ beforeMs, stepMs: at(0, run, 0), steps: at(1, run, 1), rounds: at(2, run, 1), afterMs: at(3, run, 0), alone },
  }));
  return { runs, alone };
}

/** Before single runs were kept, it was their number and their means. */
function fromMeans(means: readonly number[]): Measured {
  const [count = 1, beforeMs = 0, stepMs = 0, steps = 1, rounds = 1, alone = 1] = means;
  const taken: Taken = { beforeMs, stepMs, steps, rounds: Math.max(1, Math.round(rounds)), afterMs: 0, alone };
  return { runs: Array.from({ length: Math.max(1, Math.min(3, Math.round(count))) }, () => taken), alone };
}

const isAmount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value < 1e12;
const areAmounts = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isAmount);
