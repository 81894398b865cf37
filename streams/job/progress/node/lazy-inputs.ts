import { needs } from '../plan/owners';
import { counted } from './counted';
import { newNodeRun } from './node-run';
import type { PlanNode } from '../plan/plan';
import { planned, type RunClock } from '../run-clock';

/**
 * The run after one more node has begun. A node that begins while inputs of it are still to come may be lazy, or frames
 * were missed. If one before it begins then, it has asked for that and waits; and if only some of its inputs lead there,
 * it is expected to do without the others.
 */
export function withLazy(run: RunClock, { id, inputs }: PlanNode): RunClock {
  const isLazy = run.lazy.size < MOST_LAZY && inputs.some((input) => run.pending.get(input) !== undefined);
  if (!isLazy && run.lazy.size === 0) return run;
  let { nodes } = run;
  const lazy = new Map(run.lazy);
  for (const [other, { without }] of run.lazy) {
    const node = nodes.get(other);
    const leading = node === undefined || node.doneAt !== undefined ? [] : leadingTo(run, other, id);
    if (node === undefined || leading.length === 0) continue;
    nodes = nodes.with(other, { ...node, waits: true });
    lazy.set(other, { hasAsked: true, without: withoutAfter(run, other, without, leading) });
  }
  if (isLazy) lazy.set(id, { hasAsked: false, without: nodes.get(id)?.expected.without ?? [] });
  const isChanged = [...run.lazy].some(([other, { without }]) => lazy.get(other)?.without !== without);
  return isChanged ? planned({ ...run, lazy, nodes }) : { ...run, lazy, nodes };
}

/** How many nodes of a run may be lazy: what leads to those at work is searched whenever a node begins. */
const MOST_LAZY = 16;

/** The nodes after one of them is done: a lazy node that waited for it begins, with the steps that it is told to have. */
export function withInput({ lazy, nodes, plan }: RunClock, done: string, at: number): RunClock['nodes'] {
  let all = nodes;
  for (const id of lazy.keys()) {
    const node = nodes.get(id);
    if (node?.waits !== true || plan.nodes.get(id)?.inputs.includes(done) !== true) continue;
    const { expected, owner, displayId, value, max } = node;
    const begun = newNodeRun(expected, at, at, owner, displayId);
    all = all.with(id, value > 0 ? counted(begun, value, max, at) : begun);
  }
  return all;
}

/** The inputs of a node before which another one stands. */
function leadingTo({ plan, nodes, cached }: RunClock, id: string, other: string): readonly string[] {
  const isOver = (each: string): boolean => cached.has(each) || nodes.get(each)?.doneAt !== undefined;
  const { inputs = [] } = plan.nodes.get(id) ?? {};
  return inputs.filter((input) => input === other || needs(plan, input, other, isOver));
}

/** What a lazy node does without, after a node has begun to which these of its inputs lead. */
function withoutAfter(
  { plan, pending }: RunClock,
  id: string,
  without: readonly string[],
  leading: readonly string[],
): readonly string[] {
  const { inputs = [] } = plan.nodes.get(id) ?? {};
  if (without.length === 0)
    return inputs.filter((input) => pending.get(input) !== undefined && !leading.includes(input));
  // It needs more than was expected, if what has begun is for that alone.
  const isOnlyTheirs = leading.every((input) => without.includes(input));
  return isOnlyTheirs ? without.filter((input) => !leading.includes(input)) : without;
}
