import { bounds } from '../../bounds';
import type { NodeSnapshot } from '../job-event';
import { withoutNode } from './classes-to-come';
import { counted } from './node/counted';
import { afterOneRound, withTurn } from './node/turns';
import { withInput, withLazy } from './node/lazy-inputs';
import { endsWithMaker, newNodeRun, type NodeRun } from './node/node-run';
import { totalMs, type Expected } from './plan/expected';
import { needs, ownerOf } from './plan/owners';
import { planNodeOf, planned, runWith, type RunClock } from './run-clock';
import { withDone } from './this-run';

/** The run after `executing`. A server without snapshots runs one node at a time, so the last one is done. */
export function executing(run: RunClock, id: string, at: number, displayId?: string): RunClock {
  const next = started(withPreviousDone(run, id, at), id, at, displayId === undefined ? {} : { displayId });
  return next.nodes.get(id) === undefined ? next : { ...next, current: id };
}

/** Ends the last node and the node that made it, unless one of them made the next node, or needs it as a lazy input. */
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

/** The run after `progress`. If the frame names no node, it is the one at work, or the likeliest of those to come. */
export function stepped(run: RunClock, nodeId: string | undefined, value: number, max: number, at: number): RunClock {
  const id = nodeId ?? run.current ?? likeliest(run, max) ?? '';
  const begun = started(run, id, at, { isUnderWay: true });
  const node = begun.nodes.get(id);
  if (node === undefined) return begun;
  const next = node.doneAt === undefined ? counted(node, value, max, at) : node;
  if (next !== node) return withStep(begun, id, next, id);
  return begun.current === id ? begun : { ...begun, current: id };
}

/** The run after its socket was lost: no frames come. */
export const unheard = (run: RunClock, at: number): RunClock => ({ ...run, unheardSince: run.unheardSince ?? at });

/** The run after its socket is back: the nodes at work could not be heard until now. */
export function heardAgain(run: RunClock, at: number): RunClock {
  let { nodes } = run;
  for (const id of run.running) {
    const node = nodes.get(id);
    if (node !== undefined) nodes = nodes.with(id, { ...node, heardFrom: at });
  }
  return { ...run, nodes, unheardSince: undefined };
}

/** The run after a step of a node. */
function withStep(run: RunClock, id: string, node: NodeRun, current: string | undefined): RunClock {
  const { type, size = 1 } = planNodeOf(run, id, node) ?? {};
  const paceMs = node.paceMs / size;
  const isNews = type !== undefined && node.first === undefined && paceMs > 0 && isOther(run.paces.get(type), paceMs);
  const paces = isNews ? run.paces.with(type, paceMs) : run.paces;
  return runWith(run, { nodes: run.nodes.with(id, node), current, hasBegun: true, paces });
}

/** Whether a pace differs by more than 1 %: only then is it news for waiting nodes of the class. */
const isOther = (before: number | undefined, now: number): boolean =>
  before === undefined || Math.abs(now - before) > before / 100;

/** The pending node that declares this many steps, else the one that is expected to take longest. */
function likeliest(run: RunClock, max: number): string | undefined {
  let longest: readonly [string, number] | undefined;
  for (const [id, expected] of run.pending.entries()) {
    if (run.plan.nodes.get(id)?.steps === max) return id;
    if (longest === undefined || totalMs(expected) > longest[1]) longest = [id, totalMs(expected)];
  }
  return longest?.[0];
}

/**
 * The run after `progress_state`, which holds every node that has started, in that order. Nodes that are done stay
 * done, so the finished ones in front are not looked at again.
 */
export function snapshot(run: RunClock, seen: readonly NodeSnapshot[], at: number): RunClock {
  const from = seen[run.doneInFront - 1]?.id === run.lastInFront ? run.doneInFront : 0;
  let next: RunClock = run.snapshots ? run : { ...run, snapshots: true };
  let last: string | undefined;
  let isStillRunning = false;
  let front = from;
  for (let place = from; place < seen.length; place++) {
    const told = seen[place];
    if (told === undefined) continue;
    if (told.finished) {
      if (front === place) front = place + 1;
    } else {
      last = told.id;
      if (told.id === run.current) isStillRunning = true;
    }
    next = toldOf(next, told, at);
  }
  const current = isStillRunning ? run.current : last;
  const named = current === undefined || next.nodes.get(current) === undefined ? next.current : current;
  if (named === next.current && front === next.doneInFront) return next;
  return { ...next, current: named, doneInFront: front, lastInFront: seen[front - 1]?.id };
}

/** The run after a snapshot's entry for one node; the same object if that is nothing new. */
function toldOf(run: RunClock, { id, value, max, finished: isDone, parentId, displayId }: NodeSnapshot, at: number) {
  const known = run.nodes.get(id);
  if (known === undefined) {
    const isUnderWay = !isDone && value > 0 && max > 1;
    const begun = started(run, id, at, { parent: parentId, displayId, isUnderWay });
    if (isDone) return finished(begun, id, at, value, max);
    return value > 0 ? stepped(begun, id, value, max, at) : begun;
  }
  if (known.doneAt !== undefined) return run;
  if (isDone) return finished(run, id, at, value, max);
  const next = value > 0 ? counted(known, value, max, at) : known;
  return next === known ? run : withStep(run, id, next, run.current);
}

/** The run after `executed`: the node is done. */
export const executed = (run: RunClock, id: string, at: number): RunClock => finished(started(run, id, at), id, at);

/** The run at its good end: all nodes at work are done, and what came later was late. */
export function ended(run: RunClock, at: number): RunClock {
  let done = run;
  for (const id of run.running) done = finished(done, id, at);
  let { nodes } = done;
  for (const [id, node] of nodes.entries()) {
    const { startedAt, steppedAt, doneAt = at } = node;
    const early = {
      startedAt: Math.min(startedAt, at),
      steppedAt: Math.min(steppedAt, at),
      doneAt: Math.min(doneAt, at),
    };
    if (doneAt > at || steppedAt > at || startedAt > at) nodes = nodes.with(id, { ...node, ...early });
  }
  return nodes === done.nodes ? done : { ...done, nodes };
}

/**
 * The run after a node's start. `isUnderWay`: it has made steps already, so it may have begun as early as the run did.
 */
function started(
  run: RunClock,
  id: string,
  at: number,
  {
    parent,
    displayId,
    isUnderWay = false,
  }: { parent?: string | undefined; displayId?: string | undefined; isUnderWay?: boolean } = {},
): RunClock {
  const planNode = run.plan.nodes.get(id);
  if (run.nodes.get(id) !== undefined || (planNode === undefined && hasMadeMany(run, id))) return run;
  const { heardAt = at } = run;
  const since = isUnderWay || (run.isLate && heardAt === at) ? run.startedAt : at;
  const owner = planNode === undefined ? ownerOf(run.plan, id, parent, run.nodes) : undefined;
  const open = owner === undefined ? run : reopened(run, owner);
  const maker = owner === undefined ? undefined : open.nodes.get(owner);
  const nodes =
    owner === undefined || maker === undefined
      ? open.nodes
      : open.nodes.with(owner, withTurn(maker, run.plan.nodes.get(owner)?.loop, displayId, at));
  const begun: RunClock = {
    ...open,
    // If the run's beginning was missed, the node heard of first may have begun earlier, too: see `since`.
    nodes: nodes.with(id, newNodeRun(expectedOf(run, id, owner, displayId), since, at, owner, displayId)),
    // `concat` allocates exactly; V8's `[...]` leaves room for 16 more.
    running: open.running.concat(id),
    heardAt,
  };
  if (planNode === undefined) return begun;
  const expected = run.pending.get(id);
  const next =
    expected === undefined
      ? begun
      : { ...begun, pending: run.pending.with(id, undefined), byClass: withoutNode(run.byClass, planNode, expected) };
  // If the run's beginning was missed, inputs of the node heard of first may have run before.
  if (run.plan.nodes.size > LAZY_NODES || (run.isLate && heardAt === at)) return next;
  return withLazy(next, planNode);
}

/** The run with a node that makes others at work again: without snapshots it seems done where others run before those. */
function reopened(run: RunClock, id: string): RunClock {
  const maker = run.nodes.get(id);
  if (maker?.doneAt === undefined || run.snapshots) return run;
  const { doneAt: _, ...open } = maker;
  return { ...run, nodes: run.nodes.with(id, open), running: run.running.concat(id) };
}

/** Whether no further node that the run made is kept: a server's frames would fill the memory (R16). */
const hasMadeMany = ({ nodes, plan }: RunClock, id: string): boolean =>
  nodes.size() >= plan.nodes.size + bounds.madeNodes || id.length * nodes.size() > bounds.madeIdsLength;

function finished(run: RunClock, id: string, at: number, value?: number, max?: number): RunClock {
  const node = run.nodes.get(id);
  if (node === undefined || node.doneAt !== undefined) return run;
  const planNode = run.plan.nodes.get(id);
  const through = {
    ...node,
    doneAt: at,
    // The end of a loop's last node counts on no bar: its steps are its copies' turns.
    ...(value !== undefined && max !== undefined && node.turn === undefined && { value, max, toldValue: node.value }),
  };
  const done: RunClock = {
    ...run,
    running: run.running.filter((other) => other !== id),
    nodes: withInput(run, id, at).with(id, through),
    hasBegun: true,
    thisRun: planNode === undefined ? run.thisRun : withDone(run.thisRun, planNode, node.expected, at - node.startedAt),
  };
  // The node ran without an input that is still pending, a lazy branch: that is not needed any more, unless by another.
  const didWithout = planNode?.inputs.some((input) => run.pending.get(input) !== undefined) === true;
  return didWithout && run.plan.nodes.size <= LAZY_NODES ? planned(done) : done;
}

/** The expected time of a node that is not in the plan. */
const unplanned: Expected = { fixedMs: 500, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: 0 };

/**
 * The expected time of a node that starts. A copy that the run made takes what the copied node takes; any other node
 * that the run made has no time of its own, but ends with its maker.
 */
function expectedOf(run: RunClock, id: string, owner: string | undefined, displayId: string | undefined): Expected {
  const { pending, plan, durations, isCold } = run;
  const copied = displayId === owner ? undefined : plan.nodes.get(displayId ?? '');
  const planned = owner === undefined ? plan.nodes.get(id) : copied;
  if (planned === undefined) return owner === undefined ? unplanned : endsWithMaker;
  const expected = pending.get(id) ?? durations(planned, isCold);
  return owner === undefined ? afterOneRound(run, planned, expected) : expected;
}

/**
 * In larger workflows a branch that was not taken keeps its time: to find it would cost each frame a walk over all
 * nodes.
 */
const LAZY_NODES = 2_000;
