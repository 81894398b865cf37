import { phasesMs, type Expected } from '../plan/expected';
import { hash } from '../plan/hash';
import { numbersOf } from '../plan/telling';
import type { Taken } from './measured';
import type { PlanNode } from '../plan/plan';
import { within } from '../this-run';

/**
 * How a class's time depends on its numbers: a ridge regression of logarithms, streamed. What is known of one node then
 * tells of another of its class with twice the steps or half the size.
 */
export interface Model {
  /** The numbers that count, by name; the first seen. */
  readonly names: readonly string[];
  readonly runs: number;
  /** Of (1, numbers…): XᵀX, row by row; and Xᵀy for what a node takes besides steps, and for a step. */
  readonly xx: readonly number[];
  readonly fixed: readonly number[];
  readonly step: readonly number[];
  /** The mean of log times, about which the rest is told. */
  readonly stepping: boolean;
  readonly steps: number;
  readonly rounds: number;
  /** The files of models it was seen with last, as hashes. */
  readonly models: readonly string[];
}

/** Numbers that a model looks at: sizes first. */
const MOST_NAMES = 6;
const MOST_MODELS = 6;
/** A node is expected to take thirty times what its class takes on average, at most, or a thirtieth: two runs that differ say nothing of a hundredth of a second, or of a year. */
const FARTHEST = Math.log(30);
/** How strongly a number is taken to say nothing, until runs say otherwise. */
const RIDGE = 0.15;

export const emptyModel: Model = {
  ...{ names: [], runs: 0, xx: [], fixed: [], step: [] },
  ...{ stepping: false, steps: 1, rounds: 1, models: [] },
};

const SKIPPED = /^@steps$|seed|noise$/;

const isSize = (name: string): boolean => name.startsWith('@');

/** The model after one more run of a node. */
export function learnt(
  before: Model,
  node: PlanNode,
  { beforeMs, stepMs, steps, rounds, afterMs, later }: Taken,
): Model {
  const model = before.runs === 0 ? named(node) : before;
  // A single step is no pace, and says nothing of those to come.
  if (model.stepping && stepMs === 0 && node.steps === 1) return model;
  const x = inputOf(model, node);
  const keep = model.runs >= 200 ? 0.995 : 1;
  return {
    ...model,
    runs: model.runs + 1,
    xx: model.xx.map((sum, i) => keep * sum + (x[Math.floor(i / x.length)] ?? 0) * (x[i % x.length] ?? 0)),
    fixed: model.fixed.map(
      (sum, i) => keep * sum + (x[i] ?? 0) * logRatio(beforeMs + afterMs + phasesMs(later), node.prior.fixedMs),
    ),
    step: model.step.map((sum, i) => keep * sum + (x[i] ?? 0) * logRatio(stepMs, usualStepMs(node))),
    stepping: stepMs > 0,
    steps,
    rounds,
    models: withModel(model.models, node),
  };
}

function withModel(models: readonly string[], { context: { model } }: PlanNode): readonly string[] {
  if (model === undefined) return models;
  const key = modelKey(model);
  return models.at(-1) === key ? models : [...models.filter((each) => each !== key), key].slice(-MOST_MODELS);
}

const modelKey = (file: string): string => hash(file).slice(-5);

/** Whether the class was seen with this model before, as far as anything names one. */
const hasSeen = ({ models }: Model, { context: { model } }: PlanNode): boolean =>
  model === undefined || models.length === 0 || models.includes(modelKey(model));

/** What a node of the class is expected to take. With a model that it was not seen with, that is a guess: half of what is known, half of what its name tells. */
export function expectedBy(model: Model, node: PlanNode): Expected {
  const x = inputOf(model, node);
  const seen = hasSeen(model, node);
  const { ofFixed, ofStep } = coefficientsOf(model);
  const { xx, fixed, step } = model;
  const predict = (coefficients: readonly number[], [sum = 0]: readonly number[]): number => {
    const mean = sum / Math.max(1, xx[0] ?? 1);
    const told = coefficients.reduce((all, coefficient, i) => all + coefficient * (x[i] ?? 0), 0);
    return Math.exp((mean + within(FARTHEST, told - mean)) * (seen ? 1 : 0.5));
  };
  const trust = seen ? Math.min(0.5, 0.2 + 0.05 * model.runs) : 0;
  const fixedMs = Math.max(1, node.prior.fixedMs) * predict(ofFixed, fixed);
  if (!model.stepping) return { fixedMs, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust };
  const rounds = node.tiles ?? model.rounds;
  const steps = rounds === 1 ? (node.steps ?? model.steps) : model.steps;
  return {
    fixedMs,
    stepMs: usualStepMs(node) * (seen ? 1 : node.context.heft) * predict(ofStep, step),
    steps,
    rounds,
    alone: 1,
    trust,
  };
}

const usualStepMs = ({ prior: { stepMs = 500 } }: PlanNode): number => stepMs;
const logRatio = (ms: number, base: number): number => Math.log(Math.max(1, ms) / Math.max(1, base));

function named(node: PlanNode): Model {
  const names = [...numbersOf(node).keys()]
    .filter((name) => !SKIPPED.test(name) && name.length <= 40)
    .sort((a, b) => Number(isSize(b)) - Number(isSize(a)))
    .slice(0, MOST_NAMES);
  const size = names.length + 1;
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
  return { ...emptyModel, names, xx: zeros(size * size), fixed: zeros(size), step: zeros(size) };
}

/** Logarithms, so that twice is twice wherever it starts. */
function inputOf({ names }: Model, node: PlanNode): readonly number[] {
  const numbers = numbersOf(node);
  return [1, ...names.map((name) => Math.log(0.05 + (numbers.get(name) ?? 0)))];
}

interface Coefficients {
  readonly ofFixed: readonly number[];
  readonly ofStep: readonly number[];
}

const solutions = new WeakMap<Model, Coefficients>();

/** What the numbers count for; worked out once for each model. */
function coefficientsOf(model: Model): Coefficients {
  const known = solutions.get(model);
  if (known !== undefined) return known;
  const coefficients = { ofFixed: solved(model.xx, model.fixed), ofStep: solved(model.xx, model.step) };
  solutions.set(model, coefficients);
  return coefficients;
}

/** Solves (XᵀX + λ) b = Xᵀy by elimination; at most seven unknowns. */
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

const short = (value: number): number => Number(value.toPrecision(6));

export const modelToText = ({ names, runs, xx, fixed, step, stepping, steps, rounds, models }: Model): string =>
  JSON.stringify([names, runs, xx.map(short), fixed.map(short), step.map(short), stepping, steps, rounds, models]);

/** Reads what `modelToText` wrote; `undefined` where it is anything else, what its forerunner wrote, too: it compared with other guesses. */
export function modelFrom(value: unknown): Model | undefined {
  if (!Array.isArray(value) || value.length !== 9) return undefined;
  const [names, runs, xx, fixed, step, stepping, steps, rounds, models] = value as readonly unknown[];
  if (!isListOf(names, 'string') || names.length > MOST_NAMES || typeof stepping !== 'boolean') return undefined;
  const size = names.length + 1;
  if (!isListOf(xx, 'number') || !isListOf(fixed, 'number') || !isListOf(step, 'number')) return undefined;
  if (xx.length !== size * size || fixed.length !== size || step.length !== size) return undefined;
  if (typeof runs !== 'number' || typeof steps !== 'number' || typeof rounds !== 'number') return undefined;
  if (!isListOf(models, 'string') || models.length > MOST_MODELS) return undefined;
  return { ...{ names, runs, stepping, steps, rounds, models }, xx, fixed, step } as Model;
}

const isListOf = (value: unknown, type: 'string' | 'number'): value is readonly unknown[] =>
  Array.isArray(value) && value.every((each) => typeof each === type);
