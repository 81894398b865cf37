import type { NodeSnapshot } from './job-event';
import { dependsOn, sinksOf, type Graph } from './workflow';

/** What is known of one node that has started. */
export interface NodeTally {
  readonly value: number;
  readonly max: number;
  readonly done: boolean;
  readonly parentId?: string;
  readonly displayId?: string;
}

/** What is known of how far a job's nodes are. */
export interface Tally {
  readonly nodes: ReadonlyMap<string, NodeTally>;
  readonly cached: ReadonlySet<string>;
  /** The output nodes that will run; where absent, the nodes nobody reads from. */
  readonly targets?: readonly string[];
  /** The node at work last. */
  readonly current?: string;
  /** Whether this server sends snapshots, which tell when a node is done. */
  readonly snapshots: boolean;
}

export const emptyTally: Tally = { nodes: new Map(), cached: new Set(), snapshots: false };

/** What a node without steps weighs, in steps of a sampler; a look at real workflows, not a promise. */
const PLAIN = 0.2;
const plainWeights: readonly (readonly [RegExp, number])[] = [
  [/loader/i, 3],
  [/vae(en|de)code/i, 1],
];

const untouched: NodeTally = { value: 0, max: 1, done: false };

/** Notes that a node is at work. A server without snapshots runs one at a time, so the one before it is done. */
export function executing(tally: Tally, graph: Graph, nodeId: string, displayId?: string): Tally {
  const nodes = new Map(tally.nodes);
  if (!tally.snapshots && tally.current !== undefined && tally.current !== nodeId)
    finish(nodes, graph, tally.current, nodeId);
  nodes.set(nodeId, {
    ...(nodes.get(nodeId) ?? untouched),
    ...(displayId !== undefined && displayId !== nodeId && { displayId }),
  });
  return { ...tally, nodes, current: nodeId };
}

/** Notes a node's step. Without a node it is the heaviest of those that are left. */
export function stepped(tally: Tally, graph: Graph, nodeId: string | undefined, value: number, max: number): Tally {
  const id = nodeId ?? heaviest(tally, graph, max) ?? '';
  const before = tally.nodes.get(id) ?? untouched;
  return { ...tally, nodes: new Map(tally.nodes).set(id, { ...before, value, max }), current: id };
}

/** Notes that a node is done. */
export function done(tally: Tally, nodeId: string): Tally {
  const before = tally.nodes.get(nodeId) ?? untouched;
  return before.done ? tally : { ...tally, nodes: new Map(tally.nodes).set(nodeId, { ...before, done: true }) };
}

/** Notes a snapshot of every node that has started. A node once done stays done. */
export function snapshot(tally: Tally, seen: readonly NodeSnapshot[]): Tally {
  const nodes = new Map(tally.nodes);
  for (const { id, value, max, finished, parentId, displayId } of seen) {
    const shown = displayId !== undefined && displayId !== id ? { displayId } : {};
    const made = parentId === undefined ? {} : { parentId };
    nodes.set(id, { value, max, done: finished || (nodes.get(id)?.done ?? false), ...made, ...shown });
  }
  const running = seen.filter((node) => !node.finished).map((node) => node.id);
  const current = tally.current !== undefined && running.includes(tally.current) ? tally.current : running.at(-1);
  return { ...tally, nodes, snapshots: true, ...(current !== undefined && { current }) };
}

/**
 * How much of the job is done, 0–1. Counts what will run: cached nodes are left out, so are nodes that nothing
 * unfinished still reads from (a lazy branch not taken); nodes made by a subgraph count within the node that made them.
 */
export function fractionDone(graph: Graph, tally: Tally): number {
  const made = subgraphs(graph, tally);
  let total = 0;
  let finished = 0;
  const count = (id: string, weight: number, fraction: number): void => {
    total += weight;
    finished += weight * fraction;
    seen.add(id);
  };
  const seen = new Set<string>();
  for (const [id, node] of tally.nodes) {
    if (node.done && isOwn(graph, id)) count(id, weightOf(graph, tally, id) + (made.get(id)?.weight ?? 0), 1);
  }
  const open = graph.size === 0 ? [...tally.nodes.keys()] : [...(tally.targets ?? sinksOf(graph))];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id) || tally.cached.has(id)) continue;
    const weight = weightOf(graph, tally, id);
    const subgraph = made.get(id);
    if (subgraph === undefined) count(id, weight, fractionOf(tally.nodes.get(id)));
    // How much more a subgraph will make is not known: as much again as its last round, say.
    else count(id, weight + subgraph.weight, subgraph.finished / (weight + subgraph.weight));
    for (const input of graph.get(id)?.inputs ?? []) open.push(input);
  }
  if (graph.size === 0) total += PLAIN;
  return total === 0 ? 0 : finished / total;
}

/** Whether something of the job declares or shows steps, and all of that is done. */
export function stepsAreDone(graph: Graph, tally: Tally): boolean {
  const ids = [...new Set([...graph.keys(), ...tally.nodes.keys()])];
  const stepping = (id: string): boolean => Math.max(tally.nodes.get(id)?.max ?? 1, graph.get(id)?.steps ?? 1) > 1;
  const long = ids.filter((id) => stepping(id) && !tally.cached.has(id));
  return long.length > 0 && long.every((id) => fractionOf(tally.nodes.get(id)) === 1);
}

/** The workflow node that a node is, or that made it: by its parents, else by its id (`5.0.0.2` was made by `5`). */
export function ownerOf(graph: Graph, tally: Tally, id: string): string {
  let owner = id;
  for (let hops = 0; !isOwn(graph, owner) && hops < 64; hops++) {
    const parent = tally.nodes.get(owner)?.parentId ?? owner.split('.').slice(0, -1).join('.');
    if (parent === '') return id;
    owner = parent;
  }
  return owner;
}

const isOwn = (graph: Graph, id: string): boolean => graph.size === 0 || graph.has(id);

/** 0–1 whatever the numbers say: of nonsense (no steps, less than none, ∞ of ∞) nothing is done. */
function fractionOf(node: NodeTally | undefined): number {
  if (node === undefined) return 0;
  if (node.done) return 1;
  const share = node.max > 0 ? node.value / node.max : 0;
  return share > 0 ? Math.min(1, share) : 0;
}

/** A node that claims more steps weighs no more: sums of weights stay numbers. */
const HEAVIEST = 1e9;

function weightOf(graph: Graph, tally: Tally, id: string): number {
  const node = tally.nodes.get(id);
  if (node !== undefined && node.max > 1) return Math.min(HEAVIEST, node.max);
  const { steps, type = '' } = graph.get(node?.displayId ?? id) ?? graph.get(id) ?? {};
  return steps === undefined ? plain(type) : Math.min(HEAVIEST, steps);
}

const plain = (type: string): number => plainWeights.find(([name]) => name.test(type))?.[1] ?? PLAIN;

/** Weight and finished weight of what each workflow node's subgraph has made so far. */
function subgraphs(graph: Graph, tally: Tally): Map<string, { weight: number; finished: number }> {
  const made = new Map<string, { weight: number; finished: number }>();
  for (const [id, node] of tally.nodes) {
    if (isOwn(graph, id)) continue;
    const owner = ownerOf(graph, tally, id);
    const weight = weightOf(graph, tally, id);
    const sum = made.get(owner) ?? { weight: 0, finished: 0 };
    made.set(owner, { weight: sum.weight + weight, finished: sum.finished + weight * fractionOf(node) });
  }
  return made;
}

/** Marks the node before `next` as done, unless `next` was made by it or is a lazy input of it. */
function finish(nodes: Map<string, NodeTally>, graph: Graph, previous: string, next: string): void {
  const tally: Tally = { ...emptyTally, nodes };
  const nextOwner = ownerOf(graph, tally, next);
  for (const id of new Set([previous, ownerOf(graph, tally, previous)])) {
    if (id === nextOwner || dependsOn(graph, id, nextOwner)) continue;
    nodes.set(id, { ...(nodes.get(id) ?? untouched), done: true });
  }
}

function heaviest(tally: Tally, graph: Graph, max: number): string | undefined {
  const left = [...graph.keys()].filter((id) => !tally.cached.has(id) && tally.nodes.get(id)?.done !== true);
  const fits = left.filter((id) => graph.get(id)?.steps === max);
  const among = fits.length > 0 ? fits : left;
  return among.sort((a, b) => (graph.get(b)?.steps ?? 0) - (graph.get(a)?.steps ?? 0))[0];
}
