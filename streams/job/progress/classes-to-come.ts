import type { Versions } from '../../maps/versions';
import { sureOf, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';

/** The expected time of a class's nodes that are still to come, in sums: measured and guessed times apart. */
export interface ClassToCome {
  readonly nodes: number;
  /** The measured time. */
  readonly knownMs: number;
  /** The part of `knownMs` that counts as sure. */
  readonly sureMs: number;
  /** The guessed time: of nodes without steps, of the others besides their steps, and of the steps. */
  readonly silentMs: number;
  readonly besideStepsMs: number;
  readonly steppingMs: number;
  /** The guessed nodes' steps in all rounds, each weighed by its node's `size`. */
  readonly steps: number;
  readonly prior: Prior | undefined;
}

type Sum = { -readonly [F in keyof ClassToCome]: ClassToCome[F] };

/** One literal, so that V8 keeps all fields in the object itself. */
const nothing = (prior: Prior | undefined): Sum => ({
  nodes: 0,
  knownMs: 0,
  sureMs: 0,
  silentMs: 0,
  besideStepsMs: 0,
  steppingMs: 0,
  steps: 0,
  prior,
});

/** How many classes have a sum of their own; the rest share one, as each frame adds all sums up. */
const MOST_CLASSES = 64;
const OTHERS = '';

/** The sums while a plan is made: changed in place. */
export type Sums = Map<string, Sum>;

/** Adds a node to its class's sum, and the nodes that a loop repeats to the sums of their classes. */
export function addNode(sums: Sums, node: PlanNode, expected: Expected): void {
  addTimes(sums, node, expected, 1);
  for (const { node: repeated, expected: each, times } of expected.repeats ?? []) addTimes(sums, repeated, each, times);
}

function addTimes(sums: Sums, { type, prior, size }: PlanNode, expected: Expected, times: number): void {
  const isOwn = sums.has(type) || sums.size < MOST_CLASSES;
  const key = isOwn ? type : OTHERS;
  const sum = sums.get(key) ?? nothing(isOwn ? prior : undefined);
  add(sum, expected, times, size);
  sums.set(key, sum);
}

type Sized = Pick<PlanNode, 'type' | 'size'>;

/** Takes a node out of its class's sum, and the nodes that a loop repeats out of theirs; an empty sum is removed. */
export function withoutNode(sums: Versions<ClassToCome>, node: Sized, expected: Expected): Versions<ClassToCome> {
  let left = withoutTimes(sums, node, expected, 1);
  for (const { node: repeated, expected: each, times } of expected.repeats ?? [])
    left = withoutTimes(left, repeated, each, times);
  return left;
}

function withoutTimes(
  sums: Versions<ClassToCome>,
  { type, size }: Sized,
  expected: Expected,
  times: number,
): Versions<ClassToCome> {
  const key = sums.get(type) === undefined ? OTHERS : type;
  const sum = sums.get(key);
  if (sum === undefined) return sums;
  if (sum.nodes <= times) return sums.with(key, undefined);
  const less = copyOf(sum);
  add(less, expected, -times, size);
  return sums.with(key, less);
}

/** Adds a node to a sum `times` times. */
function add(sum: Sum, expected: Expected, times: number, size: number): void {
  const { trust, alone, stepMs, fixedMs, steps, rounds } = expected;
  sum.nodes += times;
  if (trust > 0) {
    const ms = times * alone * totalMs(expected);
    sum.knownMs += ms;
    sum.sureMs += ms * sureOf(expected);
  } else if (stepMs === 0) sum.silentMs += times * fixedMs;
  else {
    sum.besideStepsMs += times * fixedMs;
    sum.steppingMs += times * stepMs * steps * rounds;
    sum.steps += times * steps * rounds * size;
  }
}

/**
 * Written field by field: where each record is made from the one before, V8 of Node 20 takes ten times as long for a
 * spread.
 */
const copyOf = (sum: ClassToCome): Sum => ({
  nodes: sum.nodes,
  knownMs: sum.knownMs,
  sureMs: sum.sureMs,
  silentMs: sum.silentMs,
  besideStepsMs: sum.besideStepsMs,
  steppingMs: sum.steppingMs,
  steps: sum.steps,
  prior: sum.prior,
});
