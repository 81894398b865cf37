import { hash } from '../../../job/progress/plan/hash';
import { planOf } from '../../../job/progress/plan/plan';
import { namesOf } from '../../../job/progress/plan/telling';
import { seedless, type Graph } from '../../../workflow/graph';

/** How many of a workflow's nodes count: to name all of a large one would hold up the event loop. */
const NAMED = 1_000;

const kinds = new WeakMap<Graph, string>();

/**
 * The kind of a workflow: the same for all with the same nodes and inputs but for seeds. Computed once for all that
 * differ in seeds only.
 */
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

/** The shape of a workflow: the same for all of the same nodes and links, whatever their inputs. */
export function shapeOf(graph: Graph): string {
  for (const { shape } of planOf(graph).nodes.values()) return shape;
  return '';
}

/** The heat of a run: its kind, how many nodes are cached for it, and its outputs if they are not all. */
export function heatOf(graph: Graph, cached: number, targets: readonly string[] | undefined): string {
  const all = planOf(graph).outputs;
  const isAll = targets === undefined || (targets.length === all.length && targets.every((id) => all.includes(id)));
  return `${kindOf(graph)}/${cached}${isAll ? '' : `/${targets.join()}`}`;
}
