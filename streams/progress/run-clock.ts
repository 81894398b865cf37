import type { NodeSnapshot } from '../job/job-event';
import { byName, totalMs, type Durations, type Expected } from './expected';
import type { Plan } from './plan';

/** A node that has started, and how its steps went. Times are ms since 1970. */
export interface NodeRun {
  readonly startedAt: number;
  readonly value: number;
  readonly max: number;
  /** When its last step was told; its start before that. */
  readonly steppedAt: number;
  /** The first step of this round that was told, and when. */
  readonly firstValue: number;
  readonly firstAt: number;
  /** Rounds that are over, and how long the last one took. */
  readonly rounds: number;
  readonly roundAt: number;
  /** The mean time of one step over all that was seen; 0 before the second. */
  readonly paceMs: number;
  /** The workflow node that made it, where it is not of the workflow itself. */
  readonly owner?: string;
  readonly doneAt?: number;
}

/** One run of a job as time passes: what is over, what goes on, and what is still to come. */
export interface RunClock {
  readonly plan: Plan;
  readonly durations: Durations;
  readonly startedAt: number;
  readonly nodes: ReadonlyMap<string, NodeRun>;
  /** The nodes at work. */
  readonly running: ReadonlySet<string>;
  /** The nodes that are still to come, and what those of each class are expected to take together. */
  readonly pending: ReadonlyMap<string, Expected>;
  readonly byClass: ReadonlyMap<string, ClassToCome>;
  readonly cached: ReadonlySet<string>;
  readonly targets: readonly string[];
  /** What a step of each class takes in this very run. */
  readonly paces: ReadonlyMap<string, number>;
  /** How this run's nodes compare to guesses by name: the sum of logarithms, and of how many. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** Whether the server tells by snapshots when a node is done. */
  readonly snapshots: boolean;
  readonly current?: string;
  /** The share that was shown, when, and how long it usually stands. */
  readonly shown: { readonly share: number; readonly at: number; readonly gapMs: number };
}

/** Nodes of one class that are still to come: of those measured before, what they take; of the others, what is guessed. */
export interface ClassToCome {
  readonly knownMs: number;
  readonly guessedFixedMs: number;
  readonly guessedSteppingMs: number;
  /** Steps of the guessed ones, in all their rounds. */
  readonly guessedSteps: number;
}

const nothing: ClassToCome = { knownMs: 0, guessedFixedMs: 0, guessedSteppingMs: 0, guessedSteps: 0 };

function withNode(sum: ClassToCome = nothing, expected: Expected, sign: 1 | -1): ClassToCome {
  if (expected.trust > 0) return { ...sum, knownMs: sum.knownMs + sign * totalMs(expected) };
  const steps = expected.stepMs > 0 ? expected.steps * expected.rounds : 0;
  return {
    knownMs: sum.knownMs,
    guessedFixedMs: sum.guessedFixedMs + sign * expected.fixedMs,
    guessedSteppingMs: sum.guessedSteppingMs + sign * expected.stepMs * steps,
    guessedSteps: sum.guessedSteps + sign * steps,
  };
}

/** A run that starts now. */
export function runClock(plan: Plan, at: number, durations: Durations = byName): RunClock {
  return planned({
    plan,
    durations,
    startedAt: at,
    nodes: new Map(),
    running: new Set(),
    pending: new Map(),
    byClass: new Map(),
    cached: new Set(),
    targets: plan.outputs,
    paces: new Map(),
    slowness: { log: 0, count: 0 },
    snapshots: false,
    shown: { share: 0, at, gapMs: 0 },
  });
}

/** The run with what is still to come worked out anew: what its targets need and has neither run nor is cached. */
function planned(run: RunClock): RunClock {
  const pending = new Map<string, Expected>();
  const byClass = new Map<string, ClassToCome>();
  const open = [...run.targets];
  const seen = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = run.plan.nodes.get(id);
    const at = run.nodes.get(id);
    if (node === undefined || run.cached.has(id) || at?.doneAt !== undefined) continue;
    if (at === undefined) {
      const expected = run.durations(node);
      pending.set(id, expected);
      byClass.set(node.type, withNode(byClass.get(node.type), expected, 1));
    }
    for (const input of node.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return { ...run, pending, byClass };
}

/** `execution_cached`: these nodes do not run, and what only they need does not either. */
export const withCached = (run: RunClock, ids: readonly string[]): RunClock =>
  planned({ ...run, cached: new Set(ids) });

/** The output nodes that run, as the queue names them. */
export const withTargets = (run: RunClock, targets: readonly string[]): RunClock => planned({ ...run, targets });

/** A node is at work. A server without snapshots runs one at a time, so the one before is done. */
export function executing(run: RunClock, id: string, at: number, owner?: string): RunClock {
  const { current } = run;
  const before =
    !run.snapshots && current !== undefined && current !== id && !madeBy(run, id, current) && !needs(run, current, id)
      ? finished(run, current, at)
      : run;
  return { ...started(before, id, at, owner), current: id };
}

/** A node counted: `value` of `max`. One whose value falls has begun another round. */
export function stepped(run: RunClock, nodeId: string | undefined, value: number, max: number, at: number): RunClock {
  const id = nodeId ?? run.current;
  if (id === undefined) return run;
  const begun = started(run, id, at);
  const before = begun.nodes.get(id);
  if (before === undefined || before.doneAt !== undefined || (before.value === value && before.max === max))
    return begun;
  const node = counted(before, value, max, at);
  const type = begun.plan.nodes.get(id)?.type;
  return {
    ...begun,
    nodes: new Map(begun.nodes).set(id, node),
    current: id,
    ...(type !== undefined && node.paceMs > 0 && { paces: new Map(begun.paces).set(type, node.paceMs) }),
  };
}

function counted(node: NodeRun, value: number, max: number, at: number): NodeRun {
  const next = { ...node, value, max, steppedAt: at };
  const isFirst = node.value === 0 && node.rounds === 0;
  if (value < node.value || (max !== node.max && !isFirst && node.max > 1)) {
    return { ...next, rounds: node.rounds + 1, roundAt: at, firstValue: value, firstAt: at };
  }
  if (isFirst && value > 0 && node.firstValue === 0) return { ...next, firstValue: value, firstAt: at };
  const steps = value - node.firstValue;
  return steps > 0 && at > node.firstAt ? { ...next, paceMs: (at - node.firstAt) / steps } : next;
}

/** A snapshot of every node that has started. A node once done stays done; what did not change costs a comparison. */
export function snapshot(run: RunClock, seen: readonly NodeSnapshot[], at: number): RunClock {
  let next: RunClock = run.snapshots ? run : { ...run, snapshots: true };
  for (const { id, value, max, finished: isDone, parentId } of seen) {
    const known = next.nodes.get(id);
    if (known?.doneAt !== undefined) continue;
    if (isDone) next = finished(known === undefined ? started(next, id, at, parentId) : next, id, at);
    else if (known === undefined || known.value !== value || known.max !== max) {
      next = started(next, id, at, parentId);
      if (value > 0) next = stepped(next, id, value, max, at);
    }
  }
  return next;
}

/** A node is done, as `executed` tells. */
export const executed = (run: RunClock, id: string, at: number): RunClock => finished(started(run, id, at), id, at);

function started(run: RunClock, id: string, at: number, parent?: string): RunClock {
  if (run.nodes.has(id)) return run;
  const owner = run.plan.nodes.has(id) ? undefined : ownerOf(run, id, parent);
  const node: NodeRun = {
    ...{ startedAt: at, value: 0, max: 1, steppedAt: at, firstValue: 0, firstAt: at },
    ...{ rounds: 0, roundAt: at, paceMs: 0 },
    ...(owner !== undefined && { owner }),
  };
  const begun = { ...run, nodes: new Map(run.nodes).set(id, node), running: new Set(run.running).add(id) };
  const expected = run.pending.get(id);
  const type = run.plan.nodes.get(id)?.type;
  if (expected === undefined || type === undefined) return begun;
  const pending = new Map(run.pending);
  pending.delete(id);
  const byClass = new Map(run.byClass).set(type, withNode(run.byClass.get(type), expected, -1));
  return { ...begun, pending, byClass };
}

/** The workflow node that made a node: by its parent, else by its id (`5.0.0.2` was made by `5`). */
function ownerOf({ plan, nodes }: RunClock, id: string, parent: string | undefined): string | undefined {
  if (parent !== undefined && plan.nodes.has(parent)) return parent;
  const above = parent === undefined ? undefined : nodes.get(parent)?.owner;
  if (above !== undefined) return above;
  const head = id.slice(0, Math.max(0, id.indexOf('.')));
  return plan.nodes.has(head) ? head : undefined;
}

function finished(run: RunClock, id: string, at: number): RunClock {
  const node = run.nodes.get(id);
  if (node === undefined || node.doneAt !== undefined) return run;
  const running = new Set(run.running);
  running.delete(id);
  const planNode = run.plan.nodes.get(id);
  const done: RunClock = {
    ...run,
    running,
    nodes: new Map(run.nodes).set(id, { ...node, doneAt: at }),
    slowness: planNode === undefined ? run.slowness : compared(run, run.durations(planNode), at - node.startedAt),
  };
  // A lazy branch that was not taken: what this node did without is needed no more, unless by another.
  return planNode?.inputs.some((input) => run.pending.has(input)) === true ? planned(done) : done;
}

/** Guesses that are too short or too long say something about the next guesses. Quick nodes say nothing. */
function compared({ slowness }: RunClock, expected: Expected, tookMs: number): RunClock['slowness'] {
  if (expected.trust > 0 || totalMs(expected) < 300 || tookMs < 50) return slowness;
  return { log: slowness.log + Math.log(tookMs / totalMs(expected)), count: slowness.count + 1 };
}

const madeBy = ({ nodes, plan }: RunClock, id: string, owner: string): boolean =>
  nodes.get(id)?.owner === owner || (!plan.nodes.has(id) && id.startsWith(`${owner}.`));

/** Whether a node waits for another: a lazy input is run in the midst of the node that asked for it. */
function needs({ plan }: RunClock, id: string, other: string): boolean {
  const open = [...(plan.nodes.get(id)?.inputs ?? [])];
  const seen = new Set(open);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === other) return true;
    for (const input of plan.nodes.get(next)?.inputs ?? []) {
      if (seen.has(input)) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return false;
}
