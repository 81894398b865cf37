import { bounds } from '../../bounds';
import type { NodeSnapshot } from '../job-event';
import { byName, totalMs, type Durations, type Expected } from './plan/expected';
import { addNode, type ClassToCome } from './classes-to-come';
import { counted, newNodeRun, type NodeRun } from './node-run';
import { needs, ownerOf, type Plan } from './plan/plan';
import { noVersions, type Versions } from './plan/versions';

/** One run of a job as time passes: what is over, what goes on, and what is still to come. */
export interface RunClock {
  readonly plan: Plan;
  readonly durations: Durations;
  /** When ComfyUI began, ms since 1970. */
  readonly startedAt: number;
  /** Whether its beginning was missed: what was done by then is not known to have taken any time. */
  readonly isLate: boolean;
  /** When the first of its nodes was heard of. */
  readonly heardAt?: number;
  readonly nodes: Versions<NodeRun>;
  /** The nodes at work. */
  readonly running: ReadonlySet<string>;
  /** The nodes that are still to come; `undefined` once they have. */
  readonly pending: Versions<Expected | undefined>;
  /** What those of each class are expected to take together. */
  readonly byClass: ReadonlyMap<string, ClassToCome>;
  readonly cached: ReadonlySet<string>;
  readonly targets: readonly string[];
  /** Whether it loads its models: a sampler's first step then takes longer. */
  readonly isCold: boolean;
  /** What a step of each class takes in this very run, in ms. */
  readonly paces: ReadonlyMap<string, number>;
  /** How this run's nodes compare to guesses by name: the sum of logarithms, and of how many. */
  readonly slowness: { readonly log: number; readonly count: number };
  /** Whether any node has made a step, or is done. */
  readonly hasBegun: boolean;
  /** Whether the server tells by snapshots when a node is done. */
  readonly snapshots: boolean;
  /** The node at work last. */
  readonly current?: string;
  /** The share that was shown, when, and how long it usually stands. */
  readonly shown: { readonly share: number; readonly at: number; readonly gapMs: number };
}

export interface RunStart {
  readonly at: number;
  readonly durations?: Durations;
  readonly targets?: readonly string[];
  /** What was shown before: the bar goes on from there. */
  readonly share?: number;
  readonly isLate?: boolean;
}

/** A run that begins. */
export const runClock = (
  plan: Plan,
  { at, durations = byName, targets = plan.outputs, share = 0, isLate = false }: RunStart,
): RunClock =>
  planned({
    ...{ plan, durations, startedAt: at, isLate, targets },
    nodes: noVersions(),
    running: new Set(),
    pending: noVersions(),
    byClass: new Map(),
    cached: new Set(),
    isCold: true,
    paces: new Map(),
    slowness: { log: 0, count: 0 },
    hasBegun: false,
    snapshots: false,
    shown: { share, at, gapMs: 0 },
  });

/** The run with what is still to come worked out anew: what its targets need and has neither run nor is cached. */
function planned(run: RunClock): RunClock {
  const isCold = run.plan.loaders.some((id) => !run.cached.has(id));
  let pending: Versions<Expected | undefined> = noVersions();
  const byClass = new Map<string, ClassToCome>();
  const open = [...run.targets];
  const seen = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = run.plan.nodes.get(id);
    const at = run.nodes.get(id);
    if (node === undefined || run.cached.has(id) || at?.doneAt !== undefined) continue;
    if (at === undefined) {
      const expected = run.durations(node, isCold);
      pending = pending.with(id, expected);
      addNode(byClass, node.type, expected, 1);
    }
    for (const input of node.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return { ...run, isCold, pending, byClass };
}

/** The run of a workflow that was not known before. */
export const withPlan = (run: RunClock, plan: Plan): RunClock =>
  run.plan === plan ? run : planned({ ...run, plan, targets: plan.outputs });

/** Whether a node at work counts its steps, and is not through. */
export const isCounting = ({ running, nodes }: RunClock): boolean =>
  [...running].some((id) => {
    const { value = 0, max = 0 } = nodes.get(id) ?? {};
    return value > 0 && value < max;
  });

/** `execution_cached`: these nodes do not run, and what only they need does not either. */
export const withCached = (run: RunClock, ids: readonly string[]): RunClock =>
  planned({ ...run, cached: new Set(ids) });

/** The output nodes that run, as the queue names them. */
export const withTargets = (run: RunClock, targets: readonly string[]): RunClock =>
  targets === run.targets ? run : planned({ ...run, targets });

/** A node is at work. A server without snapshots runs one at a time, so the one before is done. */
export function executing(run: RunClock, id: string, at: number, displayId?: string): RunClock {
  const next = started(withPreviousDone(run, id, at), id, at, displayId === undefined ? {} : { displayId });
  return next.nodes.get(id) === undefined ? next : { ...next, current: id };
}

/** The node before it, and what made that, are done: unless they made this one, or asked for it as a lazy input. */
function withPreviousDone(run: RunClock, next: string, at: number): RunClock {
  const { current, plan, snapshots } = run;
  if (snapshots || current === undefined || current === next) return run;
  const owner = run.nodes.get(next)?.owner ?? ownerOf(plan, next, undefined, run.nodes) ?? next;
  const isOver = (id: string): boolean => run.cached.has(id) || run.nodes.get(id)?.doneAt !== undefined;
  const before = new Set([current, run.nodes.get(current)?.owner ?? current]);
  let done = run;
  for (const id of before) if (id !== owner && !needs(plan, id, owner, isOver)) done = finished(done, id, at);
  return done;
}

/** A node counted: `value` of `max`. Where none is named, it is the one at work, or the likeliest of those to come. */
export function stepped(run: RunClock, nodeId: string | undefined, value: number, max: number, at: number): RunClock {
  const id = nodeId ?? run.current ?? likeliest(run, max) ?? '';
  const begun = started(run, id, at, { isUnderWay: true });
  const before = begun.nodes.get(id);
  if (before === undefined) return begun;
  if (before.doneAt !== undefined || (before.value === value && before.max === max)) return { ...begun, current: id };
  const node = counted(before, value, max, at);
  const type = begun.plan.nodes.get(id)?.type;
  return {
    ...begun,
    nodes: begun.nodes.with(id, node),
    current: id,
    hasBegun: true,
    ...(type !== undefined &&
      node.paceMs > 0 &&
      isOther(begun.paces.get(type), node.paceMs) && { paces: new Map(begun.paces).set(type, node.paceMs) }),
  };
}

/** A pace that is another by a hundredth is news to those that wait. */
const isOther = (before: number | undefined, now: number): boolean =>
  before === undefined || Math.abs(now - before) > before / 100;

/** The node that declares as many steps, else the one that is expected to take longest. */
function likeliest(run: RunClock, max: number): string | undefined {
  let longest: readonly [string, number] | undefined;
  for (const [id, expected] of run.pending.entries()) {
    if (expected === undefined) continue;
    if (run.plan.nodes.get(id)?.steps === max) return id;
    if (longest === undefined || totalMs(expected) > longest[1]) longest = [id, totalMs(expected)];
  }
  return longest?.[0];
}

/** A snapshot of every node that has started. A node once done stays done; what did not change costs a comparison. */
export function snapshot(run: RunClock, seen: readonly NodeSnapshot[], at: number): RunClock {
  let next: RunClock = run.snapshots ? run : { ...run, snapshots: true };
  let last: string | undefined;
  let isStillRunning = false;
  for (const { id, value, max, finished: isDone, parentId, displayId } of seen) {
    if (!isDone) last = id;
    if (!isDone && id === run.current) isStillRunning = true;
    const known = next.nodes.get(id);
    if (known?.doneAt !== undefined || (!isDone && known?.value === value && known.max === max)) continue;
    if (known === undefined) {
      const isUnderWay = !isDone && value > 0 && max > 1;
      const made = {
        ...(parentId !== undefined && { parent: parentId }),
        ...(displayId !== undefined && { displayId }),
      };
      next = started(next, id, at, { ...made, isUnderWay });
    }
    if (!isDone && value > 0) next = stepped(next, id, value, max, at);
    if (isDone) next = finished(next, id, at, value, max);
  }
  const current = isStillRunning ? run.current : last;
  return current === undefined || next.nodes.get(current) === undefined ? next : { ...next, current };
}

/** A node is done, as `executed` tells. */
export const executed = (run: RunClock, id: string, at: number): RunClock => finished(started(run, id, at), id, at);

/** The run at its good end: whatever was at work is done. */
export function ended(run: RunClock, at: number): RunClock {
  let done = run;
  for (const id of run.running) done = finished(done, id, at);
  return done;
}

/** `isUnderWay` where its first steps came before it was heard of: then it began at some time since the run did. */
function started(
  run: RunClock,
  id: string,
  at: number,
  { parent, displayId, isUnderWay = false }: { parent?: string; displayId?: string; isUnderWay?: boolean } = {},
): RunClock {
  if (run.nodes.get(id) !== undefined || run.nodes.size >= bounds.startedNodes) return run;
  const { heardAt = at } = run;
  const since = isUnderWay || (run.isLate && heardAt === at) ? run.startedAt : at;
  const planNode = run.plan.nodes.get(id);
  const owner = planNode === undefined ? ownerOf(run.plan, id, parent, run.nodes) : undefined;
  const begun: RunClock = {
    ...run,
    // What is heard of first may have begun before, where the beginning was missed.
    nodes: run.nodes.with(id, newNodeRun(expectedOf(run, id, owner), since, at, owner, displayId)),
    running: new Set(run.running).add(id),
    heardAt,
  };
  const expected = run.pending.get(id);
  if (expected === undefined || planNode === undefined) return begun;
  const byClass = new Map(run.byClass);
  addNode(byClass, planNode.type, expected, -1);
  return { ...begun, pending: run.pending.with(id, undefined), byClass };
}

function finished(run: RunClock, id: string, at: number, value?: number, max?: number): RunClock {
  const node = run.nodes.get(id);
  if (node === undefined || node.doneAt !== undefined) return run;
  const running = new Set(run.running);
  running.delete(id);
  const planNode = run.plan.nodes.get(id);
  const through = { ...node, doneAt: at, ...(value !== undefined && max !== undefined && { value, max }) };
  const done: RunClock = {
    ...run,
    running,
    nodes: run.nodes.with(id, through),
    hasBegun: true,
    slowness: planNode === undefined ? run.slowness : compared(run, node.expected, at - node.startedAt),
  };
  // A lazy branch that was not taken: what this node did without is needed no more, unless by another.
  const didWithout = planNode?.inputs.some((input) => run.pending.get(input) !== undefined) === true;
  return didWithout && run.plan.nodes.size <= LAZY_NODES ? planned(done) : done;
}

/** What a node of nothing that is known takes. */
const unplanned: Expected = { fixedMs: 500, stepMs: 0, steps: 1, rounds: 1, trust: 0 };

function expectedOf({ pending, plan, durations, isCold }: RunClock, id: string, owner: string | undefined): Expected {
  const planned = plan.nodes.get(owner ?? id);
  return pending.get(id) ?? (planned === undefined ? unplanned : durations(planned, isCold));
}

/** In larger workflows a branch that is not taken keeps its share: to look for it would cost each frame the whole of them. */
const LAZY_NODES = 2_000;

/** Guesses that are too short or too long say something about the next guesses. Quick nodes say nothing. */
function compared({ slowness }: RunClock, expected: Expected, tookMs: number): RunClock['slowness'] {
  if (expected.trust > 0 || totalMs(expected) < 300 || tookMs < 50) return slowness;
  return { log: slowness.log + Math.log(tookMs / totalMs(expected)), count: slowness.count + 1 };
}
