import { amountOf, FRAMES } from './context';
import type { PlanNode } from './plan';
import { unknown } from './priors';

/** How long a node is expected to take; times in ms. */
export interface Expected {
  /** The time before the first step, such as loading; all of it for a node without steps. */
  readonly fixedMs: number;
  /** The time after the last step, if that is known apart. */
  readonly afterMs?: number;
  /** The bars that it counts on after its first one. */
  readonly later?: readonly Phase[];
  /** The time of a step; 0 for a node without steps. */
  readonly stepMs: number;
  /** Steps of a round, and rounds; less than one round if it ends early. */
  readonly steps: number;
  readonly rounds: number;
  /** The standard deviation of the logarithm of the rounds, from run to run; 0 if they are always the same. */
  readonly roundsSpread?: number;
  /** The share of its time that it has for itself; less than 1 if nodes run beside it. */
  readonly alone: number;
  /** Of a loop's last node: the nodes that the loop is guessed to repeat, and how often. */
  readonly repeats?: readonly Repeated[];
  /** The inputs that it did without in its last run, as it asks only for what it needs. */
  readonly without?: readonly string[];
  /** How sure it is: 0 a guess by its name, 1 measured on this very node. */
  readonly trust: number;
}

/** One bar of a node that counts on several: its steps and rounds, and its time from the end of the bar before. */
export interface Phase {
  readonly steps: number;
  readonly rounds: number;
  readonly ms: number;
}

/** A node that a loop repeats `times` times, with its expected time when that was planned. */
export interface Repeated {
  readonly node: PlanNode;
  readonly expected: Expected;
  readonly times: number;
}

/** How long a node is expected to take on a server; `isCold`: the run loads its models first. */
export type Durations = (node: PlanNode, isCold: boolean) => Expected;

export const phasesMs = (phases: readonly Phase[] = []): number => phases.reduce((sum, { ms }) => sum + ms, 0);

export const totalMs = ({ fixedMs, stepMs, steps, rounds, afterMs = 0, later }: Expected): number =>
  fixedMs + stepMs * steps * rounds + afterMs + phasesMs(later);

/** An expected time with less trust was not measured on the very node. */
export const MEASURED_TRUST = 0.55;

/** The share of an expected time that counts as sure: less than 1 if only its class was measured. */
export const sureShare = (trust: number): number => Math.min(1, 2 * trust);

/** If rounds vary by more, or were never measured on the node, the node's end is not known. */
const VARIES = 0.2;
export const varies = ({ rounds, roundsSpread = 0, trust }: Expected): boolean =>
  roundsSpread > VARIES || (rounds > 1 && trust < MEASURED_TRUST);

/** The share of a node's expected time that counts as sure; 0 if its rounds vary. */
export const sureOf = (expected: Expected): number => (varies(expected) ? 0 : sureShare(expected.trust));

/** A distilled model makes few, long steps, so samplers' times differ less than their numbers of steps. */
const USUAL_STEPS = 20;
const STEPS_EXPONENT = -0.5;

/** The expected time of a node by its class's name, if nothing was measured. */
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

/** One literal, so that V8 keeps all fields in the object itself. */
const guess = (fixedMs: number, stepMs: number, steps: number, rounds: number): Expected => ({
  fixedMs,
  stepMs,
  steps,
  rounds,
  alone: 1,
  trust: 0,
});

/** The limits of a time that grows with the pixels, as a factor of that of a megapixel. */
const MOST_PICTURES = 64;
const LEAST_PICTURES = 1 / 12;

/** The factor of the usual time for a node without steps, by how often it runs and what it works on. */
function timesOf(node: PlanNode): number {
  const { prior, usesModel, size, listed, context } = node;
  const pictures = prior.isByPixel === true ? Math.exp(amountOf(node) ?? UNTOLD_AMOUNT) : 1;
  const frames =
    prior.isByFrame === true && FRAMES.some((name) => (context.sizes.get(`@${name}`) ?? 1) > 1) ? OF_A_VIDEO : 1;
  return listed * Math.min(MOST_PICTURES, Math.max(LEAST_PICTURES, pictures)) * frames * (usesModel ? size : 1);
}

/** The amount for a picture of unknown size: 0.4 megapixels. */
const UNTOLD_AMOUNT = Math.log(0.4);

/** How many times longer the decoding of a video takes than that of a picture. */
const OF_A_VIDEO = 4;
