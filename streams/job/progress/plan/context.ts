import type { Graph, GraphNode } from '../../workflow';
import { asNumber } from './numbers';
import { heftOf } from './priors';

/** What a node works on, and with which model: both stand in nodes before it. */
export interface Context {
  /** The size of what it works on, by name, each with `@` before it. */
  readonly sizes: ReadonlyMap<string, number>;
  /** How much longer its steps take than those of a usual model. */
  readonly heft: number;
  /** The file of the model, where a loader names one. */
  readonly model?: string;
}

/** What tells how large the thing is that a node works on, and the name of that in a context. */
const SIZES = new Map(
  ['width', 'height', 'batch_size', 'length', 'frames', 'num_frames', 'frame_count', 'upscale_by', 'scale_by'].map(
    (name) => [name, `@${name}`],
  ),
);

/** The context of each node of a graph: of each size, the nearest that stands before it. */
export function contexts(graph: Graph): ReadonlyMap<string, Context | undefined> {
  /** `undefined` of a node that was entered. */
  const known = new Map<string, Context | undefined>();
  const own = tellers(graph);
  const open: string[] = [];
  for (const first of graph.keys()) {
    open.push(first);
    for (let id = open.at(-1); id !== undefined; id = open.at(-1)) {
      const node = graph.get(id);
      if (node === undefined || known.get(id) !== undefined) open.pop();
      else if (known.has(id)) {
        open.pop();
        known.set(id, contextBehind(node, known, own));
      } else {
        known.set(id, undefined);
        for (const input of node.inputs) if (!known.has(input)) open.push(input);
      }
    }
  }
  return known;
}

/** Where nothing stands before it that tells anything. */
export const nothing: Context = { sizes: new Map(), heft: 1 };

/** What its inputs are and, after them, what stands behind those. Where the first that tells anything tells all of it, that is shared. */
function contextBehind(
  { inputs }: GraphNode,
  known: ReadonlyMap<string, Context | undefined>,
  own: (id: string) => Context,
): Context {
  let all = nothing;
  for (const input of inputs) all = withBehind(all, own(input));
  for (const input of inputs) all = withBehind(all, known.get(input) ?? nothing);
  return all;
}

/** A context and what stands farther away: of that, what the nearer does not tell. */
function withBehind(near: Context, far: Context): Context {
  if (near === nothing || far === nothing) return near === nothing ? far : near;
  const model = near.model ?? far.model;
  if (far.heft <= near.heft && model === near.model && hasAll(near.sizes, far.sizes)) return near;
  const sizes = new Map(near.sizes);
  for (const [name, size] of far.sizes) if (!sizes.has(name)) sizes.set(name, size);
  return { sizes, heft: Math.max(near.heft, far.heft), ...(model !== undefined && { model }) };
}

function hasAll(sizes: Context['sizes'], others: Context['sizes']): boolean {
  if (sizes === others) return true;
  for (const name of others.keys()) if (!sizes.has(name)) return false;
  return true;
}

/** What a node tells those after it; names are looked up once. */
function tellers(graph: Graph): (id: string) => Context {
  const hefts = new Map<string, number>();
  const told = new Map<string, Context>();
  const heftOfName = (name: string): number => {
    const known = hefts.get(name) ?? heftOf(name);
    hefts.set(name, known);
    return known;
  };
  return (id) => {
    const known = told.get(id);
    if (known !== undefined) return known;
    const node = graph.get(id);
    if (node === undefined) return nothing;
    let heft = heftOfName(node.type);
    const sizes = new Map<string, number>();
    for (const [name, value] of node.literals) {
      if (typeof value === 'string') heft = Math.max(heft, heftOfName(value));
      const called = SIZES.get(name);
      const size = called === undefined ? undefined : asNumber(value);
      if (called !== undefined && size !== undefined && size > 0) sizes.set(called, size);
    }
    const scale = scaleOf(node, sizes);
    if (scale !== undefined) sizes.set('@upscale_by', scale);
    const model = modelOf(node);
    const tells = heft > 1 || sizes.size > 0 || model !== undefined;
    const context = tells ? { sizes, heft, ...(model !== undefined && { model }) } : nothing;
    told.set(id, context);
    return context;
  };
}

/** Models that enlarge pictures do by four, most of them, unless a node says otherwise. */
const MODEL_SCALE = 4;
const scaleOf = ({ links }: GraphNode, sizes: ReadonlyMap<string, number>): number | undefined =>
  links.has('upscale_model') && !sizes.has('@upscale_by') ? MODEL_SCALE : undefined;

/** Inputs by which loaders name the file of a model. */
const FILES = ['ckpt_name', 'unet_name', 'model_name', 'model', 'model_path'];

function modelOf({ literals }: GraphNode): string | undefined {
  for (const name of FILES) {
    const file = literals.get(name);
    if (typeof file === 'string') return file;
  }
  return undefined;
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
  if (literals.size === 0 && sizes.size === 0) return undefined;
  const width = toldBy(literals, sizes, 'width');
  const height = toldBy(literals, sizes, 'height');
  const batch = toldBy(literals, sizes, 'batch_size');
  let frames: number | undefined;
  for (const name of FRAMES) frames ??= toldBy(literals, sizes, name);
  let areTold = [width, height, batch, frames].some((told) => told !== undefined);
  let scale = 0;
  for (const name of SCALES) {
    const by = toldBy(literals, sizes, name);
    if (by === undefined) continue;
    areTold = true;
    scale += Math.log(by);
  }
  if (!areTold) return undefined;
  const side = width ?? height ?? USUAL_SIDE;
  const pixels = (side * (height ?? side)) / USUAL_SIDE ** 2;
  const log = Math.log(pixels * (batch ?? 1) * (frames ?? 1)) + 2 * scale;
  return Math.max(-MOST_LOG, Math.min(MOST_LOG, log));
}

/** What a node says itself under this name, else what stands before it. */
function toldBy(literals: Working['literals'], sizes: ReadonlyMap<string, number>, name: string): number | undefined {
  const own = asNumber(literals.get(name));
  return own !== undefined && own > 0 ? own : sizes.get(SIZES.get(name) ?? '');
}

/** Numbers past this are none of sizes: e^14 are a million pictures. */
const MOST_LOG = 14;

interface Working {
  readonly literals: GraphNode['literals'];
  readonly context: Context;
}

/** The power of what it works on with which a node's time grows: a little less than twice as long for twice as much. */
export const BY_AMOUNT = 0.8;
const MOST_TIMES = 30;

/** How much longer nodes take for what they work on than the one that counts with the least: the second of two samplers for a larger picture. */
export function sizesIn(
  graph: Graph,
  contexts: ReadonlyMap<string, Context | undefined>,
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
