type Graph<Node> = ReadonlyMap<string, Node>;

/** What is kept for jobs to come has so many bytes at most; past them all is forgotten, and what comes again is kept anew. */
const MOST_BYTES = 8 << 20;
/** A node with short texts, and an entry of a graph besides its id. */
const NODE_BYTES = 550;
const ENTRY_BYTES = 50;
/** A graph of more is hardly another's too, and would take long to compare. */
const MOST_OF_GRAPH = 1_000;

/**
 * Gives a graph, or the one before it that is like it. Jobs of one template have the same nodes, but for those somebody
 * set otherwise: of nodes with the same text one is kept for all jobs, and of graphs that have the same nodes, too.
 */
export function alike<Node extends object>(textOf: (node: Node) => string): (graph: Graph<Node>) => Graph<Node> {
  const nodes = new Map<string, Node>();
  /** The newest graph that ends with a node. */
  const endingWith = new Map<Node, Graph<Node>>();
  let keptBytes = 0;

  const keeping = (bytes: number): void => {
    if (keptBytes + bytes > MOST_BYTES) {
      nodes.clear();
      endingWith.clear();
      keptBytes = 0;
    }
    keptBytes += bytes;
  };
  const likeBefore = (node: Node): Node => {
    const text = textOf(node);
    const known = nodes.get(text);
    if (known !== undefined) return known;
    keeping(NODE_BYTES + 2 * text.length);
    nodes.set(text, node);
    return node;
  };

  return (graph) => {
    if (graph.size > MOST_OF_GRAPH) return graph;
    const shared = new Map<string, Node>();
    let last: Node | undefined;
    let bytes = 0;
    for (const [id, node] of graph) {
      last = likeBefore(node);
      shared.set(id, last);
      bytes += ENTRY_BYTES + id.length;
    }
    if (last === undefined) return graph;
    const before = endingWith.get(last);
    if (before !== undefined && isSame(before, shared)) return before;
    keeping(bytes);
    endingWith.set(last, shared);
    return shared;
  };
}

/** Whether they have the very same nodes, in the same order. */
function isSame<Node>(a: Graph<Node>, b: Graph<Node>): boolean {
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [id, node] of a) {
    const [otherId, other] = others.next().value ?? [];
    if (id !== otherId || node !== other) return false;
  }
  return true;
}
