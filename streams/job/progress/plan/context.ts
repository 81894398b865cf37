import type { Graph, GraphNode } from '../../workflow';
import { asNumber } from './numbers';
import { heftOf } from './priors';

/** What a node works on, and with which model: both follow from the nodes before it. */
export interface Context {
  /** The sizes of what it works on, by name with an `@` before it. */
  readonly sizes: ReadonlyMap<string, number>;
  /** How many times longer its steps take than those of a usual model. */
  readonly heft: number;
  /** The model's file, if a loader names one. */
  readonly model?: string;
}

/** Names of inputs that give the size of what a node works on, with their names in a context. */
const SIZES = new Map(
  ['width', 'height', 'batch_size', 'length', 'frames', 'num_frames', 'frame_count', 'upscale_by', 'scale_by'].map(
    (name) => [name, `@${name}`],
  ),
);

/** The context of each node of a graph: each size is the nearest one before the node. */
export function contexts(graph: Graph): ReadonlyMap<string, Context | undefined> {
  /** `undefined` for a node whose inputs are being worked out: so a circle ends. */
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

/** The context of a node without any size or model before it. */
export const nothing: Context = { sizes: new Map(), heft: 1 };

/**
 * The context by the inputs themselves, then by what is before them. If the nearest has it all, that object is shared.
 */
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

/** The nearer context, with what only the farther one has; the greater `heft` of both. */
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

/** The sizes, heft and model that a node itself gives to those after it; computed once for each node. */
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

/** Most models that enlarge a picture make each side four times as long; a node may declare another factor. */
const MODEL_SCALE = 4;
const scaleOf = ({ links }: GraphNode, sizes: ReadonlyMap<string, number>): number | undefined =>
  links.has('upscale_model') && !sizes.has('@upscale_by') ? MODEL_SCALE : undefined;

/** Names of inputs by which loaders name a model's file. */
const FILES = ['ckpt_name', 'unet_name', 'model_name', 'model', 'model_path'];

function modelOf({ literals }: GraphNode): string | undefined {
  for (const name of FILES) {
    const file = literals.get(name);
    if (typeof file === 'string') return file;
  }
  return undefined;
}

/** The side of a picture of a megapixel, for which a node's usual time is. */
const USUAL_SIDE = 1024;
export const FRAMES = ['length', 'num_frames', 'frame_count', 'frames'];
const SCALES = ['upscale_by', 'scale_by'];

/**
 * The logarithm of pixels × pictures that a node works on, relative to one picture of a megapixel; `undefined` if
 * neither the node nor any before it gives a size. The node's own inputs count before those of others.
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

/** The node's own number of this name, else the nearest before it. */
function toldBy(literals: Working['literals'], sizes: ReadonlyMap<string, number>, name: string): number | undefined {
  const own = asNumber(literals.get(name));
  return own !== undefined && own > 0 ? own : sizes.get(SIZES.get(name) ?? '');
}

/** The limit of an amount: e^14 is a million pictures. */
const MOST_LOG = 14;

interface Working {
  readonly literals: GraphNode['literals'];
  readonly context: Context;
}

/** A node's time grows with this power of the amount: 1.7 times as long for twice as much. */
export const BY_AMOUNT = 0.8;
const MOST_TIMES = 30;

/**
 * How many times longer a node takes, for its amount, than the stepping node with the least: a second sampler at a
 * larger size, say.
 */
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
