import { amountOf, FRAMES } from './context';
import type { PlanNode } from './plan';
import { unknown } from './priors';

/** What a node is expected to take, in ms. */
export interface Expected {
  /** All before the first step: loading, warming up; all of it where it has none. */
  readonly fixedMs: number;
  /** All after the last step, where that is known apart. */
  readonly afterMs?: number;
  /** What it counts to after its first bar, one after the other, where it has several. */
  readonly later?: readonly Phase[];
  /** One step; 0 where it has none. */
  readonly stepMs: number;
  /** Steps a round, and how often it counts through them: less than once where it ends early. */
  readonly steps: number;
  readonly rounds: number;
  /** By how much the logarithm of the rounds varies from run to run; 0 where it is always the same number. */
  readonly roundsSpread?: number;
  /** Which share of its time it has the run to itself: 1 but where nodes ran side by side. */
  readonly alone: number;
  /** Of a loop's last node: what it is guessed to repeat, and how often. */
  readonly repeats?: readonly Repeated[];
  /** How sure that is: 0 a guess by its name, 1 measured on this very node. */
  readonly trust: number;
}

/** One of the bars within a node: to how many steps it counts, and what it takes from the end of the one before. */
export interface Phase {
  readonly steps: number;
  readonly ms: number;
}

/** A node that a loop repeats, as it was expected when that was planned. */
export interface Repeated {
  readonly node: PlanNode;
  readonly expected: Expected;
  readonly times: number;
}

/** What is known of nodes' durations on a server; `isCold` where models are loaded first. */
export type Durations = (node: PlanNode, isCold: boolean) => Expected;

export const phasesMs = (phases: readonly Phase[] = []): number => phases.reduce((sum, { ms }) => sum + ms, 0);

export const totalMs = ({ fixedMs, stepMs, steps, rounds, afterMs = 0, later }: Expected): number =>
  fixedMs + stepMs * steps * rounds + afterMs + phasesMs(later);

/** What is trusted less was not measured on the very node. */
export const MEASURED_TRUST = 0.55;

/** How much of that counts as sure: of what only its class tells, less than all. */
export const sureShare = (trust: number): number => Math.min(1, 2 * trust);

/** Rounds that vary by more say nothing of the end; nor do those of which no run was seen. */
const VARIES = 0.2;
export const varies = ({ rounds, roundsSpread = 0, trust }: Expected): boolean =>
  roundsSpread > VARIES || (rounds > 1 && trust < MEASURED_TRUST);

/** Of what a node will take, how much counts as sure. */
export const sureOf = (expected: Expected): number => (varies(expected) ? 0 : sureShare(expected.trust));

/** Steps of a distilled model are few and long: samplers' times differ less than their steps. */
const USUAL_STEPS = 20;
const STEPS_EXPONENT = -0.5;

/** What a node's class makes one expect, where nothing was measured. */
export const byName = (node: PlanNode): Expected => {
  const { type, steps, tiles, prior, size, listed, context } = node;
  const { fixedMs, stepMs } = prior;
  if (stepMs === undefined && steps !== undefined)
    return guess(fixedMs / 4, prior === unknown ? fixedMs / steps : fixedMs / 12, steps, listed);
  if (stepMs === undefined) return guess(fixedMs * timesOf(node), 0, 1, 1);
  const taken = steps ?? USUAL_STEPS;
  const isTraining = /train/i.test(type);
  const factor = isTraining ? 1 : size * context.heft * Math.max(0.2, (taken / USUAL_STEPS) ** STEPS_EXPONENT);
  return guess(fixedMs, stepMs * factor, taken, listed * (tiles ?? prior.rounds ?? 1));
};

/** In one literal, of which V8 keeps all fields in the object itself. */
const guess = (fixedMs: number, stepMs: number, steps: number, rounds: number): Expected => ({
  fixedMs,
  stepMs,
  steps,
  rounds,
  alone: 1,
  trust: 0,
});

/** Pictures that are saved, or changed, are of a size; the least takes some time, too. */
const MOST_PICTURES = 64;
const LEAST_PICTURES = 1 / 12;

/** How often more than usual, or on how much more, a node works that takes no steps. */
function timesOf(node: PlanNode): number {
  const { prior, usesModel, size, listed, context } = node;
  const pictures = prior.isByPixel === true ? Math.exp(amountOf(node) ?? UNTOLD_AMOUNT) : 1;
  const frames =
    prior.isByFrame === true && FRAMES.some((name) => (context.sizes.get(`@${name}`) ?? 1) > 1) ? OF_A_VIDEO : 1;
  return listed * Math.min(MOST_PICTURES, Math.max(LEAST_PICTURES, pictures)) * frames * (usesModel ? size : 1);
}

/** A picture of which nothing tells the size is taken for less than a megapixel. */
const UNTOLD_AMOUNT = Math.log(0.4);

/** So many times longer than a picture's takes the decoding of a video, beside the steps of its model. */
const OF_A_VIDEO = 4;
