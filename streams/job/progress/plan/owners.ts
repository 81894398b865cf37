import type { Plan } from './plan';
import type { Versions } from '../../../maps/versions';

/** The workflow's node that made a node: by its parent, else by its id (`5.0.0.2` was made by `5`). */
export function ownerOf(
  { nodes }: Pick<Plan, 'nodes'>,
  id: string,
  parent: string | undefined,
  runs: Pick<Versions<{ readonly owner?: string }>, 'get'>,
): string | undefined {
  if (parent !== undefined) {
    if (nodes.has(parent)) return parent;
    const above = runs.get(parent)?.owner;
    if (above !== undefined) return above;
  }
  return ownerById(nodes, id);
}

/** The longest prefix of an id, cut at a `.`, that is a node of the workflow. */
export function ownerById(nodes: { readonly has: (id: string) => boolean }, id: string): string | undefined {
  let end = id.lastIndexOf('.');
  for (let hops = 0; end > 0 && hops < HOPS_BY_ID; hops++) {
    const head = id.slice(0, end);
    if (nodes.has(head)) return head;
    end = id.lastIndexOf('.', end - 1);
  }
  return undefined;
}

const HOPS_BY_ID = 64;

/**
 * Whether a node needs another, which is not over yet, among its inputs: a lazy input runs while the node that asked
 * for it waits.
 */
export function needs({ nodes }: Plan, id: string, other: string, isOver: (id: string) => boolean): boolean {
  const open = [...(nodes.get(id)?.inputs ?? [])];
  const seen = new Set(open);
  for (let next = open.pop(); next !== undefined && seen.size < SEARCHED; next = open.pop()) {
    if (next === other) return true;
    if (isOver(next)) continue;
    for (const input of nodes.get(next)?.inputs ?? []) {
      if (seen.has(input)) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return false;
}

/** How many nodes are searched. */
const SEARCHED = 2_000;
