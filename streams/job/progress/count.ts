import type { NodeTally, Tally } from './tally';
import { PLAIN, fractionOf, isOwn, ownerOf, weightOf } from './weights';
import { sinksOf, type Graph } from '../workflow';

/**
 * The sums that progress is drawn from: taken over the whole workflow once a run, then carried from tally to tally by
 * what a frame changed. What counts is what will run: nodes that are done, and those that something unfinished still
 * reads from, the cached ones left out. Nodes made by a subgraph count within the node that made them.
 */
export interface Count {
  readonly graph: Graph;
  readonly cached: ReadonlySet<string>;
  readonly targets: readonly string[] | undefined;
  /** Weight of all that counts, and of that what is finished. */
  total: number;
  finished: number;
  /** What each counted node adds to both. */
  readonly parts: Map<string, Part>;
  /** How many read from a node that will run themselves; being a target counts as one. */
  readonly readers: Map<string, number>;
  /** The nodes that will run, each of which reads from its inputs. */
  readonly open: Set<string>;
  /** Weight and finished weight of what each workflow node's subgraph has made so far, and what each made node adds. */
  readonly made: Map<string, Part>;
  readonly madeBy: Map<string, Part & { readonly owner: string }>;
  /** Nodes that declare or show steps, and those of them that are not through. */
  stepping: number;
  unfinishedStepping: number;
  /** Nodes that have done anything. */
  begun: number;
}

interface Part {
  readonly weight: number;
  readonly finished: number;
}

const nothing: Part = { weight: 0, finished: 0 };

const counts = new WeakMap<Tally, Count>();

/** The sums of a tally: carried on from the one before it, or taken anew. */
export function countOf(graph: Graph, tally: Tally): Count {
  const known = counts.get(tally);
  if (known?.graph === graph && known.cached === tally.cached && known.targets === tally.targets) return known;
  const count = counted(graph, tally);
  counts.set(tally, count);
  return count;
}

/** Carries the sums of a tally on to the next, in which these nodes are others. The tally before must be asked for no more, or is counted anew. */
export function carried(before: Tally, after: Tally, changed: readonly string[]): Tally {
  const count = counts.get(before);
  if (count === undefined || before === after) return after;
  counts.delete(before);
  // All of the older version first: to go to and fro between two versions costs their differences each time.
  const nodes = changed.map((id) => [id, before.nodes.get(id)] as const);
  for (const [id, node] of nodes) change(count, after, id, node, after.nodes.get(id));
  counts.set(after, count);
  return after;
}

function counted(graph: Graph, tally: Tally): Count {
  const { cached, targets } = tally;
  const sums = { total: 0, finished: 0, stepping: 0, unfinishedStepping: 0, begun: 0 };
  const maps = { parts: new Map(), readers: new Map(), open: new Set<string>(), made: new Map(), madeBy: new Map() };
  const count: Count = { graph, cached, targets, ...sums, ...maps };
  for (const id of graph.keys()) noteSteps(count, id, undefined, 1);
  for (const [id, node] of tally.nodes.entries()) {
    if (graph.has(id)) noteSteps(count, id, undefined, -1);
    noteSteps(count, id, node, 1);
    if (hasBegun(node)) count.begun++;
    if (!isOwn(graph, id)) noteMade(count, tally, id, node);
  }
  const ids = graph.size > 0 ? (targets ?? sinksOf(graph)) : [...startedIds(tally)];
  for (const id of new Set(ids)) count.readers.set(id, 1);
  for (const id of startedIds(tally)) sync(count, tally, id);
  for (const id of ids) sync(count, tally, id);
  if (graph.size === 0) count.total += PLAIN;
  return count;
}

function* startedIds({ nodes }: Tally): Iterable<string> {
  for (const [id] of nodes.entries()) yield id;
}

function change(
  count: Count,
  tally: Tally,
  id: string,
  before: NodeTally | undefined,
  after: NodeTally | undefined,
): void {
  const { graph } = count;
  if (before !== undefined || graph.has(id)) noteSteps(count, id, before, -1);
  noteSteps(count, id, after, 1);
  count.begun += Number(hasBegun(after)) - Number(hasBegun(before));
  if (after !== undefined && !isOwn(graph, id)) {
    const owner = noteMade(count, tally, id, after);
    if (owner !== id) recount(count, owner, tally.nodes.get(owner));
  }
  if (graph.size === 0 && before === undefined) count.readers.set(id, 1);
  sync(count, tally, id);
}

const isRead = ({ readers }: Count, id: string): boolean => (readers.get(id) ?? 0) > 0;

/** Brings a node's part up to date, and where it began or ceased to be one that will run, its inputs' too, as far back as that matters. */
function sync(count: Count, tally: Tally, first: string): void {
  const todo = [first];
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    const node = tally.nodes.get(id);
    recount(count, id, node);
    const willRun = isRead(count, id) && !count.cached.has(id) && !isCountedDone(count, id, node);
    if (willRun === count.open.has(id)) continue;
    if (willRun) count.open.add(id);
    else count.open.delete(id);
    for (const input of count.graph.get(id)?.inputs ?? []) {
      count.readers.set(input, (count.readers.get(input) ?? 0) + (willRun ? 1 : -1));
      todo.push(input);
    }
  }
}

const isCountedDone = ({ graph }: Count, id: string, node: NodeTally | undefined): boolean =>
  node?.done === true && isOwn(graph, id);

/** Puts what a node adds now in the place of what it added before. */
function recount(count: Count, id: string, node: NodeTally | undefined): void {
  const before = count.parts.get(id) ?? nothing;
  const now = partOf(count, id, node);
  if (now === nothing) count.parts.delete(id);
  else count.parts.set(id, now);
  count.total += now.weight - before.weight;
  count.finished += now.finished - before.finished;
}

function partOf(count: Count, id: string, node: NodeTally | undefined): Part {
  const { graph, cached, made } = count;
  const subgraph = made.get(id);
  if (isCountedDone(count, id, node)) {
    const weight = weightOf(graph, id, node) + (subgraph?.weight ?? 0);
    return { weight, finished: weight };
  }
  if (!isRead(count, id) || cached.has(id)) return nothing;
  const weight = weightOf(graph, id, node);
  if (subgraph === undefined) return { weight, finished: weight * fractionOf(node) };
  // How much more a subgraph will make is not known: as much again as its last round, say.
  return { weight: weight + subgraph.weight, finished: subgraph.finished };
}

/** Counts a node that a subgraph made within the node that it belongs to, and tells which that is. */
function noteMade({ graph, made, madeBy }: Count, tally: Tally, id: string, node: NodeTally): string {
  const before = madeBy.get(id);
  const owner = ownerOf(graph, tally, id);
  const weight = weightOf(graph, id, node);
  const now = { owner, weight, finished: weight * fractionOf(node) };
  madeBy.set(id, now);
  if (before !== undefined) add(made, before.owner, { weight: -before.weight, finished: -before.finished });
  add(made, owner, now);
  return owner;
}

function add(made: Map<string, Part>, owner: string, { weight, finished }: Part): void {
  const sum = made.get(owner) ?? nothing;
  made.set(owner, { weight: sum.weight + weight, finished: sum.finished + finished });
}

function noteSteps(count: Count, id: string, node: NodeTally | undefined, by: 1 | -1): void {
  const most = Math.max(node?.max ?? 1, count.graph.get(id)?.steps ?? 1);
  if (!(most > 1) || count.cached.has(id)) return;
  count.stepping += by;
  if (fractionOf(node) !== 1) count.unfinishedStepping += by;
}

const hasBegun = (node: NodeTally | undefined): boolean => node !== undefined && (node.done || node.value > 0);
