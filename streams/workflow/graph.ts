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
  /**
   * The names of the inputs that hold a seed. The graph holds the seeds: jobs of one template differ in nothing else.
   */
  readonly seeds?: readonly string[];
}

/** The nodes of a workflow and the links between them; empty if the workflow is not known. */
export type Graph = ReadonlyMap<string, GraphNode>;

export type Seed = number | string;

/** Nodes that jobs share, with seeds of one job: 100 bytes a job, where a `Map` of 60 nodes takes 1.8 KB. */
class SeededGraph implements Graph {
  constructor(
    readonly nodes: Graph,
    /** The seeds of all nodes, in the order of the nodes. */
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

/** The newest graph for some nodes, to be shared: a job that is looked up, or posted again, has the same seeds. */
const newest = new WeakMap<Graph, SeededGraph>();

/** The graph of these nodes with these seeds, in the order of the nodes. */
export function seeded(nodes: Graph, seeds: readonly Seed[]): Graph {
  if (seeds.length === 0) return nodes;
  const before = newest.get(nodes);
  if (before?.seeds.every((seed, n) => seed === seeds[n]) === true) return before;
  // A copy takes no spare memory: V8 leaves room for 17 in a list that was pushed to.
  const graph = new SeededGraph(nodes, seeds.slice());
  newest.set(nodes, graph);
  return graph;
}

/** The graph but for its seeds: the same object for workflows that differ in nothing else. */
export const seedless = (graph: Graph): Graph => (graph instanceof SeededGraph ? graph.nodes : graph);

const none: ReadonlyMap<string, Seed> = new Map<string, Seed>();

/** A function from a node's id to its seeds by input name. Visits the graph's nodes once, at the call. */
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
