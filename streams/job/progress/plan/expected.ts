import type { PlanNode } from './plan';
import { unknown } from './priors';

/** What a node is expected to take, in ms. */
export interface Expected {
  /** All before the first step: loading, warming up; all of it where it has none. */
  readonly fixedMs: number;
  /** All after the last step, where that is known apart. */
  readonly afterMs?: number;
  /** One step; 0 where it has none. */
  readonly stepMs: number;
  /** Steps a round, and how often it counts through them: less than once where it ends early. */
  readonly steps: number;
  readonly rounds: number;
  /** Which share of its time it has the run to itself: 1 but where nodes ran side by side. */
  readonly alone: number;
  /** How sure that is: 0 a guess by its name, 1 measured on this very node. */
  readonly trust: number;
}

/** What is known of nodes' durations on a server; `isCold` where models are loaded first. */
export type Durations = (node: PlanNode, isCold: boolean) => Expected;

export const totalMs = ({ fixedMs, stepMs, steps, rounds, afterMs = 0 }: Expected): number =>
  fixedMs + stepMs * steps * rounds + afterMs;

/** What is trusted less was not measured on the very node. */
export const MEASURED_TRUST = 0.55;

/** How much of that counts as sure: of what only its class tells, less than all. */
export const sureShare = (trust: number): number => Math.min(1, 2 * trust);

/** Steps of a distilled model are few and long: samplers' times differ less than their steps. */
const USUAL_STEPS = 20;
const STEPS_EXPONENT = -0.5;

const guess = { alone: 1, trust: 0 };

/** What a node's class makes one expect, where nothing was measured. */
export const byName = ({ type, steps, context: { heft }, prior }: PlanNode): Expected => {
  const { fixedMs, stepMs, rounds = 1 } = prior;
  if (stepMs === undefined && steps !== undefined)
    return {
      fixedMs: fixedMs / 4,
      stepMs: prior === unknown ? fixedMs / steps : fixedMs / 12,
      steps,
      rounds: 1,
      ...guess,
    };
  if (stepMs === undefined) return { fixedMs, stepMs: 0, steps: 1, rounds: 1, ...guess };
  const taken = steps ?? USUAL_STEPS;
  const isTraining = /train/i.test(type);
  const factor = isTraining ? 1 : heft * Math.max(0.2, (taken / USUAL_STEPS) ** STEPS_EXPONENT);
  return { fixedMs, stepMs: stepMs * factor, steps: taken, rounds, ...guess };
};
