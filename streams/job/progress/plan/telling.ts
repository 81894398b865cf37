import type { Graph, GraphNode } from '../../workflow';
import { nothing, type Context } from './context';
import { hash } from './hash';
import { asNumber, isSeed } from './numbers';
import type { PlanNode } from './plan';

/** What a node's time may depend on, by name: numbers of its own and, under `@`, its steps and the size of what it works on. */
export function numbersOf({ literals, steps, context }: PlanNode): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of literals) {
    const number = asNumber(value);
    if (number !== undefined && number >= 0 && number < 1e6 && !isSeed(name)) numbers.set(name, number);
  }
  if (steps !== undefined) numbers.set('@steps', steps);
  for (const [name, size] of context.sizes) numbers.set(name, size);
  return numbers;
}

/** Names for a node with the inputs that matter, and its model: in this graph; and in any, where what feeds it is of the same classes. */
export function namesOf(node: PlanNode): readonly [inGraph: string, anywhere: string] {
  const { id, type, shape, literals, steps, context, fedBy, usesModel, listed } = node;
  const parts: string[] = [];
  for (const [name, value] of literals) if (!isSeed(name)) parts.push(`${name}=${value}`);
  if (steps !== undefined) parts.push(`@steps=${steps}`);
  for (const [name, size] of context.sizes) parts.push(`${name}=${size}`);
  const model = usesModel ? (context.model ?? '') : '';
  const own = `${type}|${parts.sort().join('|')}|${model}`;
  return [hash(`${shape}/${id}/${own}`), hash(`${own}|${fedBy}|${listed}`)];
}

/** A node's usual time is that with a picture of a megapixel. */
const USUAL_SIDE = 1024;
export const FRAMES = ['length', 'num_frames', 'frame_count', 'frames'];
const SCALES = ['upscale_by', 'scale_by'];

/**
 * How much a node works on, as the logarithm of pixels × pictures to one picture of a megapixel; `undefined` where nothing before it
 * tells a size. What it says itself counts more than what stands before it.
 */
export function amountOf({ literals, context: { sizes } }: Working): number | undefined {
  const of = (name: string): number | undefined => {
    const own = asNumber(literals.get(name));
    return own !== undefined && own > 0 ? own : sizes.get(`@${name}`);
  };
  const first = (names: readonly string[]): number | undefined => names.map(of).find((told) => told !== undefined);
  const [width, height] = [of('width'), of('height')];
  const [batch, frames, ...scales] = [of('batch_size'), first(FRAMES), ...SCALES.map(of)];
  if ([width, height, batch, frames, ...scales].every((told) => told === undefined)) return undefined;
  const side = width ?? height ?? USUAL_SIDE;
  const pixels = (side * (height ?? side)) / USUAL_SIDE ** 2;
  const log =
    Math.log(pixels * (batch ?? 1) * (frames ?? 1)) +
    2 * scales.reduce<number>((sum, scale = 1) => sum + Math.log(scale), 0);
  return Math.max(-MOST_LOG, Math.min(MOST_LOG, log));
}

/** Numbers past this are none of sizes: e^14 are a million pictures. */
const MOST_LOG = 14;

type Working = Pick<PlanNode, 'literals' | 'context'>;

/** The power of what it works on with which a node's time grows: a little less than twice as long for twice as much. */
export const BY_AMOUNT = 0.8;
const MOST_TIMES = 30;

/** How much longer nodes take for what they work on than the one that counts with the least: the second of two samplers for a larger picture. */
export function sizesIn(
  graph: Graph,
  contexts: ReadonlyMap<string, Context>,
  counts: (node: GraphNode) => boolean,
): (node: GraphNode, id: string) => number {
  const amount = ({ literals }: GraphNode, id: string): number | undefined =>
    amountOf({ literals, context: contexts.get(id) ?? nothing });
  let least = Infinity;
  for (const [id, node] of graph) if (counts(node)) least = Math.min(least, amount(node, id) ?? Infinity);
  return (node, id) => {
    const own = least === Infinity ? undefined : amount(node, id);
    return own === undefined ? 1 : Math.min(MOST_TIMES, Math.max(1 / MOST_TIMES, Math.exp(BY_AMOUNT * (own - least))));
  };
}
