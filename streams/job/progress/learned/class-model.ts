import type { Expected } from '../plan/expected';
import { hash } from '../plan/hash';
import { amountOf, BY_AMOUNT } from '../plan/context';
import { numbersOf } from '../plan/telling';
import { longestBar, type Taken } from './measured';
import type { PlanNode } from '../plan/plan';
import { roundsOf, withRounds, type ClassRounds } from './class-rounds';
import type { Speed } from './server-speed';
import { within } from '../this-run';

/**
 * How a class's time depends on the size of its work, on whether models are loaded first, and on its own numbers: a
 * ridge regression of logarithms, updated run by run. So runs of one node tell of another with twice the size or
 * strength.
 */
export interface Model {
  /** The names of the numbers that count, from the first node seen. */
  readonly names: readonly string[];
  readonly runs: number;
  /** With X = (1, isCold, amount, numbers…): XᵀX, row by row; Xᵀy for the time besides steps, and for a step's time. */
  readonly xx: readonly number[];
  readonly fixed: readonly number[];
  readonly step: readonly number[];
  /** Whether the last run told steps. */
  readonly stepping: boolean;
  /** How many steps its nodes made in a round, and how many rounds. */
  readonly steps: ClassRounds;
  /** The names of the numbers that were the steps in all runs; `undefined` before one told steps. */
  readonly counts?: readonly string[] | undefined;
  readonly rounds: ClassRounds;
  /** Hashes of the model files that the class was last seen with. */
  readonly models: readonly string[];
}

type Numbers = readonly number[];

/** How many numbers of a node a model looks at, after (1, isCold, amount). */
export const MOST_NAMES = 4;
export const BEFORE_NAMES = 3;
export const MOST_MODELS = 6;
/** A node is expected to take at most 30 times its class's mean, or a thirtieth: two runs must not extrapolate far. */
const FARTHEST = Math.log(30);
/** The ridge λ: how strongly a number's coefficient is held at 0 until runs say otherwise. */
const RIDGE = 0.15;

export const emptyModel: Model = {
  names: [],
  runs: 0,
  xx: [],
  fixed: [],
  step: [],
  stepping: false,
  steps: [],
  rounds: [],
  models: [],
};

/** Names that are no numbers of the regression: steps have a time of their own, and sizes make the amount. */
const SKIPPED =
  /^@|^(steps|width|height|batch_size|length|frames|num_frames|frame_count|upscale_by|scale_by)$|seed|noise$/;

/** The model after one more run of a node. */
export function learnt(before: Model, node: PlanNode, taken: Taken, isCold: boolean): Model {
  const { stepMs, steps, rounds, besideMs } = longestBar(taken);
  const model = before.runs === 0 ? named(node) : before;
  // A single step has no pace, so it says nothing of a class that counts.
  if (model.stepping && stepMs === 0 && node.steps === 1) return model;
  // The node ran once for each item of a list of unknown length: that says nothing of one item.
  if (node.listed > 1 && stepMs === 0) return before;
  const x = inputOf(model, node, isCold);
  const amount = x[2] ?? 0;
  const counts = stepMs > 0 ? countsIn(model.counts, node, steps) : model.counts;
  const by = byAmount(node, stepMs > 0, declaredBy(counts, node) !== undefined);
  const beside = logRatio(besideMs, node.prior.fixedMs) - amount * by.fixed;
  const perStep = logRatio(stepMs, usualStepMs(node)) - amount * by.step;
  const keep = model.runs >= 200 ? 0.995 : 1;
  return {
    ...model,
    runs: model.runs + 1,
    xx: model.xx.map((sum, i) => keep * sum + (x[Math.floor(i / x.length)] ?? 0) * (x[i % x.length] ?? 0)),
    fixed: model.fixed.map((sum, i) => keep * sum + (x[i] ?? 0) * beside),
    step: model.step.map((sum, i) => keep * sum + (x[i] ?? 0) * perStep),
    stepping: stepMs > 0,
    steps: stepMs > 0 ? withRounds(model.steps, node.shape, steps * Math.exp(-by.steps * amount)) : model.steps,
    counts,
    rounds: node.listed > 1 ? model.rounds : withRounds(model.rounds, node.shape, rounds),
    models: withModel(model.models, node),
  };
}

/** How many names are kept of numbers that were the steps so far. */
export const MOST_COUNTS = 4;

/** Of the names so far, or of all, those whose number is the steps of one more run. */
function countsIn(before: readonly string[] | undefined, node: PlanNode, steps: number): readonly string[] {
  const numbers = numbersOf(node);
  if (before !== undefined) return before.filter((name) => numbers.get(name) === steps);
  return [...numbers.keys()].filter((name) => name.length <= 40 && numbers.get(name) === steps).slice(0, MOST_COUNTS);
}

/** The steps that the node declares, also by the name of the number that was the steps of the class's nodes before. */
function declaredBy([name]: readonly string[] = [], node: PlanNode): number | undefined {
  const steps = name === undefined ? undefined : numbersOf(node).get(name);
  return node.steps ?? (steps !== undefined && steps >= 1 ? steps : undefined);
}

function withModel(models: readonly string[], { context: { model } }: PlanNode): readonly string[] {
  if (model === undefined) return models;
  const key = modelKey(model);
  return models.at(-1) === key ? models : [...models.filter((each) => each !== key), key].slice(-MOST_MODELS);
}

export const modelKey = (file: string): string => hash(file).slice(-5);

/** Whether the class was seen with the node's model before, or the model does not matter or is not known. */
const hasSeen = ({ models }: Model, { usesModel, context: { model } }: PlanNode): boolean =>
  !usesModel || model === undefined || models.length === 0 || models.includes(modelKey(model));

/**
 * The expected time of a node of the class. With a model file that the class was not seen with it is a guess (trust 0),
 * half way, in logarithms, between the class's time and the one by name at the server's speed.
 */
export function expectedBy(model: Model, node: PlanNode, isCold: boolean, speed: Speed): Expected {
  const x = inputOf(model, node, isCold);
  const amount = x[2] ?? 0;
  const declared = declaredBy(model.counts, node);
  const by = byAmount(node, model.stepping, declared !== undefined);
  const seen = hasSeen(model, node);
  const isOwn = seen || (model.stepping && node.prior.stepMs === undefined);
  const { ofFixed, ofStep } = coefficientsOf(model);
  const { xx, fixed, step } = model;
  const predict = (by: Numbers, [sum = 0]: Numbers, exponent: number, byName: number): number => {
    const mean = sum / Math.max(1, xx[0] ?? 1);
    const told = by.reduce((all, coefficient, i) => all + coefficient * (x[i] ?? 0), 0);
    const byClass = Math.exp(mean + within(FARTHEST, told - mean));
    return (isOwn ? byClass : Math.sqrt(byClass * byName)) * Math.exp(exponent * amount);
  };
  const trust = seen ? Math.min(0.5, 0.2 + 0.05 * model.runs) : 0;
  const fixedMs = Math.max(1, node.prior.fixedMs) * predict(ofFixed, fixed, by.fixed, speed.silent);
  if (!model.stepping) return { fixedMs: node.listed * fixedMs, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust };
  const seenRounds = roundsOf(roundsToldOf(model, node));
  const rounds = node.listed * (node.tiles ?? seenRounds.rounds);
  const usualSteps = roundsOf(model.steps).rounds * Math.exp(by.steps * amount);
  const isTold = node.steps === undefined || rounds === 1 || node.prior.stepMs !== undefined;
  const steps = (isTold ? declared : undefined) ?? Math.max(1, usualSteps);
  return {
    fixedMs,
    stepMs: usualStepMs(node) * (seen ? 1 : node.context.heft) * predict(ofStep, step, by.step, speed.step),
    steps,
    rounds,
    ...(node.tiles === undefined && { roundsSpread: seenRounds.spread }),
    alone: 1,
    trust,
  };
}

/** The rounds by workflow; of a single one, beside those that the class's name tells of a class that makes steps. */
const roundsToldOf = ({ rounds }: Model, { prior }: PlanNode): ClassRounds =>
  prior.stepMs === undefined || rounds.length > 1 ? rounds : withRounds(rounds, '', prior.rounds ?? 1);

/**
 * The powers of the amount with which times grow until runs show others. Of a node that counts it is the time of its
 * steps; if it declares no steps, their number, as it counts what it works on.
 */
function byAmount({ prior }: PlanNode, counts: boolean, declares: boolean): Record<'fixed' | 'step' | 'steps', number> {
  const none = { fixed: 0, step: 0, steps: 0 };
  if (prior.isApart === true) return none;
  if (!counts) return { ...none, fixed: BY_AMOUNT };
  return declares ? { ...none, step: BY_AMOUNT } : { ...none, steps: BY_AMOUNT };
}

const usualStepMs = ({ prior: { stepMs = 500 } }: PlanNode): number => stepMs;
const logRatio = (ms: number, base: number): number => Math.log(Math.max(1, ms) / Math.max(1, base));

function named(node: PlanNode): Model {
  const names = [...numbersOf(node).keys()]
    .filter((name) => !SKIPPED.test(name) && name.length <= 40)
    .slice(0, MOST_NAMES);
  const size = names.length + BEFORE_NAMES;
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
  return { ...emptyModel, names, xx: zeros(size * size), fixed: zeros(size), step: zeros(size) };
}

/** The regression's input for a node, in logarithms; a number that the node lacks counts as its mean so far. */
function inputOf({ names, xx }: Model, node: PlanNode, isCold: boolean): readonly number[] {
  const numbers = numbersOf(node);
  const [runs = 0] = xx;
  const usual = (place: number): number => (runs > 0 ? (xx[place] ?? 0) / runs : 0);
  const own = names.map((name, n) => {
    const number = numbers.get(name);
    return number === undefined ? usual(BEFORE_NAMES + n) : Math.log(0.05 + number);
  });
  return [1, isCold ? 1 : 0, amountOf(node) ?? usual(2), ...own];
}

interface Coefficients {
  readonly ofFixed: readonly number[];
  readonly ofStep: readonly number[];
}

const solutions = new WeakMap<Model, Coefficients>();

/** The regression's coefficients, computed once for each model. */
function coefficientsOf(model: Model): Coefficients {
  const known = solutions.get(model);
  if (known !== undefined) return known;
  const coefficients = { ofFixed: solved(model.xx, model.fixed), ofStep: solved(model.xx, model.step) };
  solutions.set(model, coefficients);
  return coefficients;
}

/** Solves (XᵀX + λ) b = Xᵀy by elimination; seven unknowns at most. */
function solved(xx: readonly number[], xy: readonly number[]): readonly number[] {
  const size = xy.length;
  const rows = Array.from({ length: size }, (_, r) => [
    ...Array.from({ length: size }, (_, c) => (xx[r * size + c] ?? 0) + (r === c ? (r === 0 ? RIDGE / 10 : RIDGE) : 0)),
    xy[r] ?? 0,
  ]);
  for (let pivot = 0; pivot < size; pivot++) {
    const row = rows[pivot];
    if (row === undefined) continue;
    const divisor = row[pivot] ?? 1;
    for (let c = pivot; c <= size; c++) row[c] = (row[c] ?? 0) / divisor;
    rows.forEach((other, r) => {
      const factor = other[pivot] ?? 0;
      if (r === pivot || factor === 0) return;
      for (let c = pivot; c <= size; c++) other[c] = (other[c] ?? 0) - factor * (row[c] ?? 0);
    });
  }
  return rows.map((row) => row[size] ?? 0);
}
