type Graph<Node> = ReadonlyMap<string, Node>;

/** How many bytes of nodes and graphs are kept to be shared with later jobs; past that all are forgotten. */
const MOST_BYTES = 8 << 20;
/** About the bytes of a node with short texts, and of a graph's entry besides its id. */
const NODE_BYTES = 550;
const ENTRY_BYTES = 50;
/** Nodes of a graph that is shared: a larger one is hardly like another, and would take long to compare. */
const MOST_OF_GRAPH = 1_000;

/**
 * Returns a function that replaces a graph by an equal earlier one, to save memory. Jobs of one template have the same
 * nodes, but for those that a user changed: nodes with the same text become one object, and so do graphs of such nodes.
 */
export function alike<Node extends object>(textOf: (node: Node) => string): (graph: Graph<Node>) => Graph<Node> {
  const nodes = new Map<string, Node>();
  /** The newest graph by its last node. */
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

/** Whether two graphs hold the same node objects under the same ids, in the same order. */
function isSame<Node>(a: Graph<Node>, b: Graph<Node>): boolean {
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [id, node] of a) {
    const [otherId, other] = others.next().value ?? [];
    if (id !== otherId || node !== other) return false;
  }
  return true;
}
