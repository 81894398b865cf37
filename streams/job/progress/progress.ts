import { bounds } from '../../bounds';
import { carried, countOf } from './count';
import type { NodeSnapshot } from '../job-event';
import type { NodeTally, Tally } from './tally';
import { ownerOf } from './weights';
import { bySteps, dependsOn, type Graph } from '../workflow';

const untouched: NodeTally = { value: 0, max: 1, done: false };

/** Notes that a node is at work. A server without snapshots runs one at a time, so the one before it is done. */
export function executing(tally: Tally, graph: Graph, nodeId: string, displayId?: string): Tally {
  const { current, snapshots } = tally;
  const over = !snapshots && current !== undefined && current !== nodeId ? finished(tally, graph, current, nodeId) : [];
  const nodes = over.reduce(
    (nodes, id) => nodes.with(id, { ...(nodes.get(id) ?? untouched), done: true }),
    tally.nodes,
  );
  const before = nodes.get(nodeId);
  if (before === undefined && isFull(tally)) return carried(tally, { ...tally, nodes }, over);
  const shown = displayId !== undefined && displayId !== nodeId ? { displayId } : {};
  const next: Tally = { ...tally, nodes: nodes.with(nodeId, { ...(before ?? untouched), ...shown }), current: nodeId };
  return carried(tally, next, [...over, nodeId]);
}

/** Notes a node's step. Without a node it is the heaviest of those that are left. */
export function stepped(tally: Tally, graph: Graph, nodeId: string | undefined, value: number, max: number): Tally {
  const id = nodeId ?? heaviest(tally, graph, max) ?? '';
  const before = tally.nodes.get(id);
  if (before === undefined && isFull(tally)) return tally;
  const nodes = tally.nodes.with(id, { ...(before ?? untouched), value, max });
  return carried(tally, { ...tally, nodes, current: id }, [id]);
}

/** Notes that a node is done. */
export function done(tally: Tally, nodeId: string): Tally {
  const before = tally.nodes.get(nodeId) ?? untouched;
  if (before.done || (before === untouched && isFull(tally))) return tally;
  return carried(tally, { ...tally, nodes: tally.nodes.with(nodeId, { ...before, done: true }) }, [nodeId]);
}

/** Notes a snapshot of every node that has started. A node once done stays done. */
export function snapshot(tally: Tally, seen: readonly NodeSnapshot[]): Tally {
  let { nodes } = tally;
  const changed: string[] = [];
  let current: string | undefined;
  let isStillRunning = false;
  for (const { id, value, max, finished, parentId, displayId } of seen) {
    if (!finished) current = id;
    if (!finished && id === tally.current) isStillRunning = true;
    const before = nodes.get(id);
    const shown = displayId !== id ? displayId : undefined;
    const done = finished || (before?.done ?? false);
    const isSame =
      before?.value === value &&
      before.max === max &&
      before.done === done &&
      before.parentId === parentId &&
      before.displayId === shown;
    if (isSame || (before === undefined && nodes.size >= bounds.startedNodes)) continue;
    changed.push(id);
    nodes = nodes.with(id, {
      value,
      max,
      done,
      ...(parentId !== undefined && { parentId }),
      ...(shown !== undefined && { displayId: shown }),
    });
  }
  const now = isStillRunning ? tally.current : current;
  const next: Tally = { ...tally, nodes, snapshots: true, ...(now !== undefined && { current: now }) };
  return carried(tally, next, [...new Set(changed)]);
}

/** A run names so many nodes and no more (R16). */
const isFull = ({ nodes }: Tally): boolean => nodes.size >= bounds.startedNodes;

/**
 * How much of the job is done, 0–1. Counts what will run: cached nodes are left out, so are nodes that nothing
 * unfinished still reads from (a lazy branch not taken); nodes made by a subgraph count within the node that made them.
 */
export function fractionDone(graph: Graph, tally: Tally): number {
  const { total, finished } = countOf(graph, tally);
  return total <= 0 ? 0 : Math.min(1, Math.max(0, finished / total));
}

/** Whether something of the job declares or shows steps, and all of that is done. */
export function stepsAreDone(graph: Graph, tally: Tally): boolean {
  const { stepping, unfinishedStepping } = countOf(graph, tally);
  return stepping > 0 && unfinishedStepping === 0;
}

/** Whether any node has made a step, or is done. */
export const hasBegun = (graph: Graph, tally: Tally): boolean => countOf(graph, tally).begun > 0;

/** The nodes that are done once `next` starts: the one before it, and the workflow node that made that, unless `next` was made by it or is a lazy input of it. */
function finished(tally: Tally, graph: Graph, previous: string, next: string): readonly string[] {
  const nextOwner = ownerOf(graph, tally, next);
  const isOver = (id: string): boolean => tally.cached.has(id) || tally.nodes.get(id)?.done === true;
  return [...new Set([previous, ownerOf(graph, tally, previous)])].filter(
    (id) => id !== nextOwner && !dependsOn(graph, id, nextOwner, isOver),
  );
}

function heaviest(tally: Tally, graph: Graph, max: number): string | undefined {
  const isLeft = (id: string): boolean => !tally.cached.has(id) && tally.nodes.get(id)?.done !== true;
  const ids = bySteps(graph);
  return ids.find((id) => graph.get(id)?.steps === max && isLeft(id)) ?? ids.find(isLeft);
}
