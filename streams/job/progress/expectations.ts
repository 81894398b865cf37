import type { Expected } from './plan/expected';
import type { Plan, PlanNode } from './plan/plan';

/** What was last expected of each node of a plan, by its place: with its models to be loaded, and without. */
interface Last {
  readonly cold: (Expected | undefined)[];
  readonly warm: (Expected | undefined)[];
}

const lastOf = new WeakMap<Plan, Last>();

/** Plans of more nodes are hardly another job's too. */
const MOST_NODES = 1_000;

/** Gives what is expected of a node, or what was expected last where that is the same: jobs of one template hold it once, 90 bytes a node. */
export function expectations(plan: Plan, isCold: boolean): (node: PlanNode, expected: Expected) => Expected {
  if (plan.nodes.size > MOST_NODES) return (_, expected) => expected;
  const known = lastOf.get(plan) ?? { cold: emptyList(plan.nodes.size), warm: emptyList(plan.nodes.size) };
  lastOf.set(plan, known);
  const last = isCold ? known.cold : known.warm;
  return ({ place }, expected) => {
    const before = last[place];
    if (before !== undefined && isSame(before, expected)) return before;
    last[place] = expected;
    return expected;
  };
}

/** With all its places: a list that is filled from its end V8 keeps as a dictionary, three times as slow. */
const emptyList = (size: number): (Expected | undefined)[] => new Array<Expected | undefined>(size).fill(undefined);

const isSame = (a: Expected, b: Expected): boolean =>
  a === b ||
  (a.fixedMs === b.fixedMs &&
    a.stepMs === b.stepMs &&
    a.steps === b.steps &&
    a.rounds === b.rounds &&
    a.alone === b.alone &&
    a.trust === b.trust &&
    a.afterMs === b.afterMs &&
    a.later === b.later &&
    a.roundsSpread === b.roundsSpread &&
    a.without === b.without &&
    a.repeats === b.repeats);
