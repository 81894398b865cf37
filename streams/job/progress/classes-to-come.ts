import type { Versions } from '../../maps/versions';
import { sureOf, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';

/** Nodes of one class that are still to come: of those measured before, what they take; of the others, what is guessed. */
export interface ClassToCome {
  readonly nodes: number;
  readonly knownMs: number;
  /** Of that, what counts as sure. */
  readonly sureMs: number;
  /** Of nodes that do not count, and beside the steps of those that do. */
  readonly silentMs: number;
  readonly besideStepsMs: number;
  readonly steppingMs: number;
  /** Steps of the guessed ones, in all their rounds, each as many as it is large. */
  readonly steps: number;
  readonly prior: Prior | undefined;
}

const nothing = { nodes: 0, knownMs: 0, sureMs: 0, silentMs: 0, besideStepsMs: 0, steppingMs: 0, steps: 0 };

/** So many classes have a sum of their own, since each frame adds them up; the rest share one. */
const MOST_CLASSES = 64;
const OTHERS = '';

/** Adds a node to its class's sum, and what a loop repeats to the sums of theirs. */
export function addNode(sums: Map<string, ClassToCome>, node: PlanNode, expected: Expected): void {
  addTimes(sums, node, expected, 1);
  for (const { node: repeated, expected: each, times } of expected.repeats ?? []) addTimes(sums, repeated, each, times);
}

function addTimes(
  sums: Map<string, ClassToCome>,
  { type, prior, size }: PlanNode,
  expected: Expected,
  times: number,
): void {
  const isOwn = sums.has(type) || sums.size < MOST_CLASSES;
  const key = isOwn ? type : OTHERS;
  sums.set(key, changed(sums.get(key) ?? { ...nothing, prior: isOwn ? prior : undefined }, expected, times, size));
}

type Sized = Pick<PlanNode, 'type' | 'size'>;

/** Takes a node out of its class's sum, which goes with the last of them; and what a loop repeats out of theirs. */
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
  return sums.with(key, sum.nodes > times ? changed(sum, expected, -times, size) : undefined);
}

/** The sum with a node so many times more, or less. */
function changed(sum: ClassToCome, expected: Expected, sign: number, size: number): ClassToCome {
  const { trust, alone, stepMs, fixedMs, steps, rounds } = expected;
  const nodes = sum.nodes + sign;
  if (trust > 0) {
    const ms = sign * alone * totalMs(expected);
    return { ...sum, nodes, knownMs: sum.knownMs + ms, sureMs: sum.sureMs + ms * sureOf(expected) };
  }
  if (stepMs === 0) return { ...sum, nodes, silentMs: sum.silentMs + sign * fixedMs };
  return {
    ...sum,
    nodes,
    besideStepsMs: sum.besideStepsMs + sign * fixedMs,
    steppingMs: sum.steppingMs + sign * stepMs * steps * rounds,
    steps: sum.steps + sign * steps * rounds * size,
  };
}
