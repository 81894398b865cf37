import { sureOf, totalMs, type Expected } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { Prior } from './plan/priors';

/** Nodes of one class that are still to come: of those measured before, what they take; of the others, what is guessed. */
export interface ClassToCome {
  readonly knownMs: number;
  /** Of that, what counts as sure. */
  readonly sureMs: number;
  /** Of nodes that do not count, and beside the steps of those that do. */
  readonly silentMs: number;
  readonly besideStepsMs: number;
  readonly steppingMs: number;
  /** Steps of the guessed ones, in all their rounds. */
  readonly steps: number;
  readonly prior: Prior | undefined;
}

const nothing = { knownMs: 0, sureMs: 0, silentMs: 0, besideStepsMs: 0, steppingMs: 0, steps: 0 };

/** So many classes have a sum of their own, since each frame adds them up; the rest share one. */
const MOST_CLASSES = 64;
const OTHERS = '';

/** Adds a node to its class's sum, or takes it out. */
export function addNode(
  sums: Map<string, ClassToCome>,
  { type, prior }: PlanNode,
  expected: Expected,
  sign: 1 | -1,
): void {
  const isOwn = sums.has(type) || sums.size < MOST_CLASSES;
  const key = isOwn ? type : OTHERS;
  const sum = sums.get(key) ?? { ...nothing, prior: isOwn ? prior : undefined };
  const { trust, alone, stepMs, fixedMs, steps, rounds } = expected;
  if (trust > 0) {
    const ms = sign * alone * totalMs(expected);
    sums.set(key, { ...sum, knownMs: sum.knownMs + ms, sureMs: sum.sureMs + ms * sureOf(expected) });
  } else if (stepMs === 0) sums.set(key, { ...sum, silentMs: sum.silentMs + sign * fixedMs });
  else
    sums.set(key, {
      ...sum,
      besideStepsMs: sum.besideStepsMs + sign * fixedMs,
      steppingMs: sum.steppingMs + sign * stepMs * steps * rounds,
      steps: sum.steps + sign * steps * rounds,
    });
}
