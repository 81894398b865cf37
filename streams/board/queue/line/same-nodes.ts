import { seedsIn, type Graph, type GraphNode } from '../../../workflow/graph';

/** Classes whose input is a text or an uploaded file, which a graph does not hold: they count as changed each time. */
const HIDDEN = /text|prompt|string|^load ?(image|mask|audio|video|latent)|base64|note/i;

/**
 * The nodes that ComfyUI will not run again after a run of `before`: of the same class and inputs there, and so are all
 * nodes before them. `wereCached`: the nodes that it did not run the last time a workflow of this kind came after
 * another of it. If given, it decides about inputs that a graph does not hold: they count as unchanged if they were so
 * then.
 */
export function sameNodes(graph: Graph, before: Graph, wereCached?: ReadonlySet<string>): readonly string[] {
  const fed = new Map<string, string[]>();
  const open: string[] = [];
  const [seeds, seedsBefore] = [seedsIn(graph), seedsIn(before)];
  for (const [id, node] of graph) {
    for (const input of node.inputs) {
      const takers = fed.get(input);
      if (takers === undefined) fed.set(input, [id]);
      else takers.push(id);
    }
    const isKnown = wereCached?.has(id) ?? !HIDDEN.test(node.type);
    if (!isKnown || !isSame(node, before.get(id)) || !isSameMap(seeds(id), seedsBefore(id))) open.push(id);
  }
  const others = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop())
    for (const next of fed.get(id) ?? []) {
      if (others.has(next)) continue;
      others.add(next);
      open.push(next);
    }
  return [...graph.keys()].filter((id) => !others.has(id));
}

const isSame = (node: GraphNode, before: GraphNode | undefined): boolean =>
  node === before ||
  (before !== undefined &&
    node.type === before.type &&
    isSameMap(node.literals, before.literals) &&
    isSameMap(node.links, before.links) &&
    node.inputs.length === before.inputs.length &&
    node.inputs.every((input, i) => input === before.inputs[i]));

function isSameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}
