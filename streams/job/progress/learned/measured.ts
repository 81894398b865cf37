import type { Expected } from '../plan/expected';
import type { NodeRun } from '../node-run';
import type { PlanNode } from '../plan/plan';

/** What one node took, over the runs of it. */
export interface Measured {
  readonly runs: number;
  /** All but the steps, in ms. */
  readonly fixedMs: number;
  /** 0 where it did not count. */
  readonly stepMs: number;
  readonly steps: number;
  readonly rounds: number;
  /** Which share of that it had the run to itself. */
  readonly alone: number;
}

/** Newer runs weigh more: a server is replaced, a model is swapped. */
const RECENT = 8;

/** What a node took that is done. */
export function measuredOf(node: NodeRun, doneAt: number, alone = 1): Measured {
  const tookMs = Math.max(0, doneAt - node.startedAt);
  const rounds = node.rounds + 1;
  if (node.max <= 0 || node.paceMs <= 0) return { runs: 1, fixedMs: tookMs, stepMs: 0, steps: 1, rounds: 1, alone };
  const stepMs = Math.min(node.paceMs, tookMs / (node.max * rounds));
  return { runs: 1, fixedMs: tookMs - stepMs * node.max * rounds, stepMs, steps: node.max, rounds, alone };
}

/** What was measured before and now, together. */
export function blended(before: Measured, next: Measured): Measured {
  const weight = 1 / Math.min(RECENT, before.runs + 1);
  const stepMs = next.stepMs === 0 || before.stepMs === 0 ? next.stepMs : typical(before.stepMs, next.stepMs, weight);
  return {
    // After what was out of the ordinary the next run counts for more: it tells whether that is the order now.
    runs: isOdd(before, next) ? 1 : before.runs + 1,
    fixedMs: typical(before.fixedMs, next.fixedMs, weight),
    stepMs,
    steps: next.steps,
    rounds: before.rounds + (next.rounds - before.rounds) * weight,
    alone: before.alone + (next.alone - before.alone) * weight,
  };
}

/** What is longer or shorter by this factor is out of the ordinary. */
const ODD = 3;
/** Times that differ by less are the same. */
const SAME_MS = 5;

/**
 * A mean of logarithms in which one long time counts little: it was an import, a compile, a busy disk. A short one counts
 * much: nothing is quicker than it can be.
 */
function typical(beforeMs: number, nextMs: number, weight: number): number {
  const ratio = Math.log((nextMs + SAME_MS) / (beforeMs + SAME_MS));
  const share = ratio < -Math.log(ODD) ? Math.max(weight, 0.8) : weight;
  return Math.max(0, (beforeMs + SAME_MS) * Math.exp(Math.min(ratio, Math.log(ODD)) * share) - SAME_MS);
}

const isOdd = (before: Measured, next: Measured): boolean =>
  Math.abs(Math.log((totalOf(next) + SAME_MS) / (totalOf(before) + SAME_MS))) > Math.log(ODD);

const totalOf = ({ fixedMs, stepMs, steps, rounds }: Measured): number => fixedMs + stepMs * steps * rounds;

/** What was measured, for as many steps as it will take this time. */
export const expectedFrom = ({ runs, fixedMs, stepMs, steps, rounds, alone }: Measured, node: PlanNode): Expected => ({
  fixedMs,
  stepMs,
  steps: stepMs > 0 && rounds === 1 ? (node.steps ?? steps) : steps,
  rounds,
  alone,
  trust: Math.min(1, 0.6 + 0.2 * runs),
});

const rounded = (value: number): number => Math.round(value * 10) / 10;

export const measuredToText = ({ runs, fixedMs, stepMs, steps, rounds, alone }: Measured): string =>
  JSON.stringify([runs, ...[fixedMs, stepMs, steps, rounds].map(rounded), Math.round(alone * 100) / 100]);

/** Reads what `measuredToText` wrote; `undefined` where it is anything else. */
export function measuredFrom(value: unknown): Measured | undefined {
  if (!Array.isArray(value) || value.length !== 6 || !value.every(isAmount)) return undefined;
  const [runs, fixedMs, stepMs, steps, rounds, alone] = value as [number, number, number, number, number, number];
  return { runs, fixedMs, stepMs, steps, rounds, alone };
}

const isAmount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < 1e12;
