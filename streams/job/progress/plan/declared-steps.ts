import type { Graph, GraphNode } from '../../workflow';
import type { Context } from './context';
import { asNumber, isSeed } from './numbers';

/** Inputs by which samplers, schedulers and trainers declare how many steps they take. */
const STEPS = ['steps', 'max_train_steps', 'train_steps', 'total_steps', 'num_inference_steps', 'num_steps', 'tiles'];
/** No node makes more: a number past this is none of steps. */
const MOST_STEPS = 1e9;
/** How far a number or a scheduler is followed through reroutes and switches. */
const HOPS = 12;

/** The steps a node takes itself: those of a scheduler belong to the sampler that its `sigmas` lead to. */
export function stepsOf(graph: Graph, node: GraphNode): number | undefined {
  const own = declaredSteps(graph, node) ?? sigmasOf(graph, node, HOPS);
  if (own === undefined) return undefined;
  const from = numberOf(graph, node, 'start_at_step') ?? 0;
  const to = numberOf(graph, node, 'end_at_step') ?? own;
  const taken = Math.min(own, to) - Math.min(own, from);
  return taken >= 1 ? taken : own;
}

/** Tiles of the picture of a node that enlarges it, tile by tile; `undefined` where the picture's size or theirs is not known. */
export function tilesOf(
  graph: Graph,
  node: GraphNode,
  before: ReadonlyMap<string, Context | undefined>,
): number | undefined {
  const id = node.links.get('image') ?? '';
  const by = numberOf(graph, node, 'upscale_by');
  const along = (side: 'width' | 'height'): number => {
    const size = asNumber(graph.get(id)?.literals.get(side)) ?? before.get(id)?.sizes.get(`@${side}`);
    const tile = numberOf(graph, node, `tile_${side}`);
    return size === undefined || tile === undefined || by === undefined ? NaN : Math.ceil((size * by) / tile);
  };
  const tiles = along('width') * along('height');
  return tiles >= 1 && tiles <= MOST_TILES ? tiles : undefined;
}

/** No picture has more. */
const MOST_TILES = 10_000;

function declaredSteps(graph: Graph, node: GraphNode): number | undefined {
  for (const name of STEPS) {
    const steps = numberOf(graph, node, name);
    if (steps !== undefined && steps >= 1 && steps <= MOST_STEPS) return steps;
  }
  return undefined;
}

function sigmasOf(graph: Graph, node: GraphNode, hops: number): number | undefined {
  const scheduler = graph.get(node.links.get('sigmas') ?? '');
  if (scheduler === undefined || hops === 0) return undefined;
  return declaredSteps(graph, scheduler) ?? sigmasOf(graph, scheduler, hops - 1);
}

/** A number that a node declares, or that a primitive, reroute or switch before it does. */
export function numberOf(graph: Graph, node: GraphNode, name: string): number | undefined {
  const literal = asNumber(node.literals.get(name));
  if (literal !== undefined) return literal;
  let from = graph.get(node.links.get(name) ?? '');
  for (let hops = 0; from !== undefined && hops < HOPS; hops++) {
    for (const [key, value] of from.literals) {
      const number = isSeed(key) ? undefined : asNumber(value);
      if (number !== undefined && /value|int|number|float|steps/i.test(key)) return number;
    }
    from = graph.get([...from.links.values()][0] ?? '');
  }
  return undefined;
}
