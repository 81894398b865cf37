import type { Graph, GraphNode } from '../../workflow';
import type { Context } from './context';
import { asNumber } from './numbers';

/** Names of inputs by which samplers, schedulers and trainers declare their steps. */
const STEPS = ['steps', 'max_train_steps', 'train_steps', 'total_steps', 'num_inference_steps', 'num_steps', 'tiles'];
/** A greater number is no number of steps. */
const MOST_STEPS = 1e9;
/** Through how many reroutes and switches a number or a scheduler is followed. */
const HOPS = 12;

/**
 * The steps that a node makes: its own, or those of the scheduler behind its `sigmas`, less what start and end leave
 * out.
 */
export function stepsOf(graph: Graph, node: GraphNode): number | undefined {
  const own = declaredSteps(graph, node) ?? sigmasOf(graph, node, HOPS);
  if (own === undefined) return undefined;
  const from = numberOf(graph, node, 'start_at_step') ?? 0;
  const to = numberOf(graph, node, 'end_at_step') ?? own;
  const taken = Math.min(own, to) - Math.min(own, from);
  return taken >= 1 ? taken : own;
}

/**
 * The tiles of a node that enlarges a picture tile by tile; `undefined` if the size of picture or tiles is not known.
 */
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

/** A greater number is no number of tiles. */
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

/** A number that a node declares, or gets from a primitive, through reroutes and switches. */
export function numberOf(graph: Graph, node: GraphNode, name: string): number | undefined {
  const literal = asNumber(node.literals.get(name));
  if (literal !== undefined) return literal;
  let from = graph.get(node.links.get(name) ?? '');
  for (let hops = 0; from !== undefined && hops < HOPS; hops++) {
    for (const [key, value] of from.literals) {
      const number = asNumber(value);
      if (number !== undefined && /value|int|number|float|steps/i.test(key)) return number;
    }
    from = graph.get([...from.links.values()][0] ?? '');
  }
  return undefined;
}
