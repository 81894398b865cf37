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
}

/** Newer runs weigh more: a server is replaced, a model is swapped. */
const RECENT = 8;

/** What a node took that is done. */
export function measuredOf(node: NodeRun, doneAt: number): Measured {
  const tookMs = Math.max(0, doneAt - node.startedAt);
  const rounds = node.rounds + 1;
  if (node.max <= 0 || node.paceMs <= 0) return { runs: 1, fixedMs: tookMs, stepMs: 0, steps: 1, rounds: 1 };
  const stepMs = Math.min(node.paceMs, tookMs / (node.max * rounds));
  return { runs: 1, fixedMs: tookMs - stepMs * node.max * rounds, stepMs, steps: node.max, rounds };
}

/** The mean of what was measured before and now. */
export function blended(before: Measured, next: Measured): Measured {
  const weight = 1 / Math.min(RECENT, before.runs + 1);
  const mean = (a: number, b: number): number => a + (b - a) * weight;
  return {
    runs: before.runs + 1,
    fixedMs: mean(before.fixedMs, next.fixedMs),
    stepMs: next.stepMs === 0 || before.stepMs === 0 ? next.stepMs : mean(before.stepMs, next.stepMs),
    steps: next.steps,
    rounds: mean(before.rounds, next.rounds),
  };
}

/** What was measured, for as many steps as it will take this time. */
export const expectedFrom = ({ runs, fixedMs, stepMs, steps, rounds }: Measured, node: PlanNode): Expected => ({
  fixedMs,
  stepMs,
  steps: stepMs > 0 && rounds === 1 ? (node.steps ?? steps) : steps,
  rounds,
  trust: Math.min(1, 0.6 + 0.2 * runs),
});

const rounded = (value: number): number => Math.round(value * 10) / 10;

export const measuredToText = ({ runs, fixedMs, stepMs, steps, rounds }: Measured): string =>
  JSON.stringify([runs, rounded(fixedMs), rounded(stepMs), rounded(steps), rounded(rounds)]);

/** Reads what `measuredToText` wrote; `undefined` where it is anything else. */
export function measuredFrom(value: unknown): Measured | undefined {
  if (!Array.isArray(value) || value.length !== 5 || !value.every(isAmount)) return undefined;
  const [runs, fixedMs, stepMs, steps, rounds] = value as [number, number, number, number, number];
  return { runs, fixedMs, stepMs, steps, rounds };
}

const isAmount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < 1e12;
