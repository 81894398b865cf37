import { hash } from '../../../job/progress/plan/hash';
import { planOf } from '../../../job/progress/plan/plan';
import { namesOf } from '../../../job/progress/plan/telling';
import { seedless, type Graph } from '../../../workflow/graph';

/** Of a larger workflow only the first nodes count: to name each would hold up everybody else. */
const NAMED = 1_000;

const kinds = new WeakMap<Graph, string>();

/** A name for all workflows that take as long: the same nodes with the same inputs, but for seeds. Worked out once for each such workflow. */
export function kindOf(graph: Graph): string {
  const like = seedless(graph);
  const known = kinds.get(like);
  if (known !== undefined) return known;
  const names: string[] = [`${like.size}`];
  for (const node of planOf(like).nodes.values()) if (node.place < NAMED) names.push(namesOf(node)[0]);
  const kind = hash(names.join());
  kinds.set(like, kind);
  return kind;
}

/** The same, of a run of it for which so many nodes are cached, and that is for these outputs alone. */
export function heatOf(graph: Graph, cached: number, targets: readonly string[] | undefined): string {
  const all = planOf(graph).outputs;
  const isAll = targets === undefined || (targets.length === all.length && targets.every((id) => all.includes(id)));
  return `${kindOf(graph)}/${cached}${isAll ? '' : `/${targets.join()}`}`;
}
