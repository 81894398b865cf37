/** What progress needs to know of one node. */
export interface GraphNode {
  readonly type: string;
  readonly title?: string;
  /** The nodes that it takes inputs from. */
  readonly inputs: readonly string[];
  /** The node that each linked input comes from, by the input's name. */
  readonly links: ReadonlyMap<string, string>;
  /** The inputs that its time may depend on: numbers, and short names of models and methods; no prompts, no seeds. */
  readonly literals: ReadonlyMap<string, number | string>;
  /** The inputs that hold a seed: which one stands in the graph, since jobs of one template differ in nothing else. */
  readonly seeds?: readonly string[];
}

/** The nodes of a workflow and the links between them; empty if the workflow is not known. */
export type Graph = ReadonlyMap<string, GraphNode>;

export type Seed = number | string;

/** A graph whose nodes others have, too, with seeds of its own: a hundred bytes a job, where a `Map` of 60 nodes takes 1.8 KB. */
class SeededGraph implements Graph {
  constructor(
    readonly nodes: Graph,
    /** Of all its nodes, in their order. */
    readonly seeds: readonly Seed[],
  ) {}

  get size(): number {
    return this.nodes.size;
  }

  get(id: string): GraphNode | undefined {
    return this.nodes.get(id);
  }

  has(id: string): boolean {
    return this.nodes.has(id);
  }

  keys(): MapIterator<string> {
    return this.nodes.keys();
  }

  values(): MapIterator<GraphNode> {
    return this.nodes.values();
  }

  entries(): MapIterator<[string, GraphNode]> {
    return this.nodes.entries();
  }

  [Symbol.iterator](): MapIterator<[string, GraphNode]> {
    return this.nodes.entries();
  }

  forEach(each: (node: GraphNode, id: string, graph: Graph) => void): void {
    this.nodes.forEach((node, id) => {
      each(node, id, this);
    });
  }
}

/** The newest graph of the same nodes: a job that is looked up, or posted again, has the same seeds. */
const newest = new WeakMap<Graph, SeededGraph>();

/** The graph of these nodes with these seeds, which stand in the order of its nodes. */
export function seeded(nodes: Graph, seeds: readonly Seed[]): Graph {
  if (seeds.length === 0) return nodes;
  const before = newest.get(nodes);
  if (before?.seeds.every((seed, n) => seed === seeds[n]) === true) return before;
  // A copy has no room to grow: a list that was pushed to has room for 17.
  const graph = new SeededGraph(nodes, seeds.slice());
  newest.set(nodes, graph);
  return graph;
}

/** The graph but for its seeds: the same object for workflows that differ in nothing else. */
export const seedless = (graph: Graph): Graph => (graph instanceof SeededGraph ? graph.nodes : graph);

const none: ReadonlyMap<string, Seed> = new Map<string, Seed>();

/** The seeds of a graph's nodes, by the input's name; none of a node without. Goes through the graph once. */
export function seedsIn(graph: Graph): (id: string) => ReadonlyMap<string, Seed> {
  const byNode = new Map<string, ReadonlyMap<string, Seed>>();
  if (graph instanceof SeededGraph) {
    let place = 0;
    for (const [id, { seeds }] of graph.nodes) {
      if (seeds === undefined) continue;
      byNode.set(id, new Map(seeds.map((name, n) => [name, graph.seeds[place + n] ?? ''])));
      place += seeds.length;
    }
  }
  return (id) => byNode.get(id) ?? none;
}
