import type { NodeTally, Tally } from './tally';
import type { Graph } from '../workflow';

/** What a node without steps weighs, in steps of a sampler; a look at real workflows, not a promise. */
export const PLAIN = 0.2;
const plainWeights: readonly (readonly [RegExp, number])[] = [
  [/loader/i, 3],
  [/vae(en|de)code/i, 1],
];

/** A node that claims more steps weighs no more: sums of weights stay numbers. */
const HEAVIEST = 1e9;

/** How much of a job one node is. */
export function weightOf(graph: Graph, id: string, node: NodeTally | undefined): number {
  if (node !== undefined && node.max > 1) return Math.min(HEAVIEST, node.max);
  const { steps, type = '' } = graph.get(node?.displayId ?? id) ?? graph.get(id) ?? {};
  return steps === undefined ? plain(type) : Math.min(HEAVIEST, steps);
}

const plain = (type: string): number => plainWeights.find(([name]) => name.test(type))?.[1] ?? PLAIN;

/** 0–1 whatever the numbers say: of nonsense (no steps, less than none, ∞ of ∞) nothing is done. */
export function fractionOf(node: NodeTally | undefined): number {
  if (node === undefined) return 0;
  if (node.done) return 1;
  const share = node.max > 0 ? node.value / node.max : 0;
  return share > 0 ? Math.min(1, share) : 0;
}

/** The workflow node that a node is, or that made it: by its parents, else by its id (`5.0.0.2` was made by `5`). */
export function ownerOf(graph: Graph, { nodes }: Pick<Tally, 'nodes'>, id: string): string {
  let owner = id;
  for (let hops = 0; !isOwn(graph, owner) && hops < 64; hops++) {
    const parent = nodes.get(owner)?.parentId ?? owner.slice(0, Math.max(0, owner.lastIndexOf('.')));
    if (parent === '') return id;
    owner = parent;
  }
  return owner;
}

/** Whether it is a node of the workflow itself. */
export const isOwn = (graph: Graph, id: string): boolean => graph.size === 0 || graph.has(id);
