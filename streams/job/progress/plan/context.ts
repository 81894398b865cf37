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

/** What tells how large the thing is that a node works on. */
const SIZES = [
  'width',
  'height',
  'batch_size',
  'length',
  'frames',
  'num_frames',
  'frame_count',
  'upscale_by',
  'scale_by',
];

/** The context of each node of a graph: of each size, the nearest that stands before it. */
export function contexts(graph: Graph): ReadonlyMap<string, Context> {
  const known = new Map<string, Context>();
  const own = tellers();
  const entered = new Set<string>();
  const open: string[] = [];
  for (const first of graph.keys()) {
    open.push(first);
    for (let id = open.at(-1); id !== undefined; id = open.at(-1)) {
      const node = graph.get(id);
      if (node === undefined || known.has(id)) open.pop();
      else if (entered.has(id)) {
        open.pop();
        known.set(id, contextBehind(node, graph, known, own));
      } else {
        entered.add(id);
        for (const input of node.inputs) if (!entered.has(input)) open.push(input);
      }
    }
  }
  return known;
}

/** Where nothing stands before it that tells anything. */
export const nothing: Context = { sizes: new Map(), heft: 1 };

/** What its inputs are and, after them, what stands behind those. Where one input tells nothing of itself, what is behind it is shared. */
function contextBehind(
  { inputs }: GraphNode,
  graph: Graph,
  known: ReadonlyMap<string, Context>,
  own: (node: GraphNode) => Context,
): Context {
  const told: Context[] = [];
  for (const input of inputs) {
    const node = graph.get(input);
    if (node !== undefined) told.push(own(node));
  }
  for (const input of inputs) told.push(known.get(input) ?? nothing);
  const telling = told.filter((each) => each !== nothing);
  const [only = nothing] = telling;
  if (telling.length <= 1) return only;
  const sizes = new Map<string, number>();
  let heft = 1;
  let model: string | undefined;
  for (const each of telling) {
    heft = Math.max(heft, each.heft);
    model ??= each.model;
    for (const [name, size] of each.sizes) if (!sizes.has(name)) sizes.set(name, size);
  }
  return { sizes, heft, ...(model !== undefined && { model }) };
}

/** What a node tells those after it; names are looked up once. */
function tellers(): (node: GraphNode) => Context {
  const hefts = new Map<string, number>();
  const told = new Map<GraphNode, Context>();
  const heftOfName = (name: string): number => {
    const known = hefts.get(name) ?? heftOf(name);
    hefts.set(name, known);
    return known;
  };
  return (node) => {
    const known = told.get(node);
    if (known !== undefined) return known;
    let heft = heftOfName(node.type);
    for (const value of node.literals.values()) if (typeof value === 'string') heft = Math.max(heft, heftOfName(value));
    const sizes = new Map<string, number>();
    for (const name of SIZES) {
      const size = asNumber(node.literals.get(name));
      if (size !== undefined && size > 0) sizes.set(`@${name}`, size);
    }
    const scale = scaleOf(node, sizes);
    if (scale !== undefined) sizes.set('@upscale_by', scale);
    const model = modelOf(node);
    const tells = heft > 1 || sizes.size > 0 || model !== undefined;
    const context = tells ? { sizes, heft, ...(model !== undefined && { model }) } : nothing;
    told.set(node, context);
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
