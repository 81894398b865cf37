import type { Graph, GraphNode } from '../../workflow';
import type { Versions } from './versions';
import { heftOf, priorOf, takesSteps, type Prior } from './priors';

/** One node of a workflow, as far as its time goes. */
export interface PlanNode {
  readonly id: string;
  readonly type: string;
  readonly inputs: readonly string[];
  /** The steps it will take, where its inputs or those of its scheduler declare them. */
  readonly steps?: number;
  /** What its time may depend on, by name: numbers of its own and the size of what it works on. */
  readonly numbers: ReadonlyMap<string, number>;
  /** What its class's name makes one expect. */
  readonly prior: Prior;
  /** How much longer its steps take than those of a usual model. */
  readonly heft: number;
  /** The same node with the same inputs that matter, in this graph and in any. */
  readonly inGraph: string;
  readonly anywhere: string;
}

/** What of a workflow will run, and what each node of it is to its time. */
export interface Plan {
  readonly nodes: ReadonlyMap<string, PlanNode>;
  /** The nodes that ComfyUI runs for: those that save or show something, as far as their names tell. */
  readonly outputs: readonly string[];
  /** The nodes that load models. */
  readonly loaders: readonly string[];
}

const plans = new WeakMap<Graph, Plan>();

/** The plan of a graph; made once for each. */
export function planOf(graph: Graph): Plan {
  const known = plans.get(graph);
  if (known !== undefined) return known;
  const plan = madeFrom(graph);
  plans.set(graph, plan);
  return plan;
}

/** A sink of another name is left out where some sink saves or shows: ComfyUI never runs it. */
const SAVES = /save|preview|output|show|display|export|combine|send|upload|websocket|write|print|view/i;

function madeFrom(graph: Graph): Plan {
  const shape = hash([...graph].map(([id, { type, inputs }]) => `${id}:${type}(${inputs.join()})`).join(';'));
  const nodes = new Map<string, PlanNode>();
  for (const [id, node] of graph) {
    const steps = stepsOf(graph, node);
    const { numbers, heft } = contextOf(graph, node, steps);
    const literals = [...node.literals].filter(([name]) => !isSeed(name)).map(([name, value]) => `${name}=${value}`);
    const sized = [...numbers].filter(([name]) => name.startsWith('@')).map(([name, value]) => `${name}=${value}`);
    const self = `${node.type}|${[...literals, ...sized].sort().join('|')}`;
    nodes.set(id, {
      id,
      type: node.type,
      inputs: node.inputs,
      ...(steps !== undefined && { steps }),
      numbers,
      heft,
      prior: priorOf(node.type),
      inGraph: hash(`${shape}/${id}/${self}`),
      anywhere: hash(self),
    });
  }
  const fed = new Set<string>();
  for (const { inputs } of graph.values()) for (const input of inputs) fed.add(input);
  const sinks = [...graph].filter(([id]) => !fed.has(id));
  const saving = sinks.filter(([, { type }]) => SAVES.test(type));
  const loaders = [...graph].filter(
    ([, { type }]) => /load/i.test(type) && !/load ?(image|mask|audio|video)/i.test(type),
  );
  return {
    nodes,
    outputs: (saving.length > 0 ? saving : sinks).map(([id]) => id),
    loaders: loaders.map(([id]) => id),
  };
}

/** Inputs by which samplers, schedulers and trainers declare how many steps they take. */
const STEPS = ['steps', 'max_train_steps', 'train_steps', 'total_steps', 'num_inference_steps', 'num_steps', 'tiles'];
/** How far a number or a scheduler is followed through reroutes and switches. */
const HOPS = 12;

/** The steps a node takes itself: those of a scheduler belong to the sampler that its `sigmas` lead to. */
function stepsOf(graph: Graph, node: GraphNode): number | undefined {
  if (!takesSteps(node.type) && !node.literals.has('tiles')) return undefined;
  const own = declaredSteps(graph, node) ?? sigmasOf(graph, node, HOPS);
  if (own === undefined) return undefined;
  const from = numberOf(graph, node, 'start_at_step') ?? 0;
  const to = numberOf(graph, node, 'end_at_step') ?? own;
  const taken = Math.min(own, to) - Math.min(own, from);
  return taken >= 1 ? taken : own;
}

function declaredSteps(graph: Graph, node: GraphNode): number | undefined {
  for (const name of STEPS) {
    const steps = numberOf(graph, node, name);
    if (steps !== undefined && steps >= 1) return steps;
  }
  return undefined;
}

function sigmasOf(graph: Graph, node: GraphNode, hops: number): number | undefined {
  const scheduler = graph.get(node.links.get('sigmas') ?? '');
  if (scheduler === undefined || hops === 0) return undefined;
  return declaredSteps(graph, scheduler) ?? sigmasOf(graph, scheduler, hops - 1);
}

/** A number that a node declares, or that a primitive, reroute or switch before it does. */
function numberOf(graph: Graph, node: GraphNode, name: string): number | undefined {
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

/** `"20"` is a number to ComfyUI too. */
function asNumber(value: number | string | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

const isSeed = (name: string): boolean => /seed|control_after_generate|filename_prefix|upload/i.test(name);

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
/** How many nodes before it are asked for their sizes. */
const NEAR = 40;

/** What a node works on, and with which model: both stand in nodes before it. */
function contextOf(graph: Graph, node: GraphNode, steps: number | undefined): Pick<PlanNode, 'numbers' | 'heft'> {
  let heft = 1;
  const numbers = new Map<string, number>();
  for (const [name, value] of node.literals) {
    const number = asNumber(value);
    if (number !== undefined && !isSeed(name) && number >= 0 && number < 1e6) numbers.set(name, number);
  }
  if (steps !== undefined) numbers.set('@steps', steps);
  const open = [...node.inputs];
  const seen = new Set(open);
  for (let i = 0; i < open.length && i < NEAR; i++) {
    const before = graph.get(open[i] ?? '');
    if (before === undefined) continue;
    for (const name of [before.type, ...before.literals.values()])
      if (typeof name === 'string') heft = Math.max(heft, heftOf(name));
    for (const size of SIZES) {
      const number = asNumber(before.literals.get(size));
      if (number !== undefined && number > 0 && !numbers.has(`@${size}`)) numbers.set(`@${size}`, number);
    }
    for (const id of before.inputs) {
      if (seen.has(id) || seen.size >= NEAR) continue;
      seen.add(id);
      open.push(id);
    }
  }
  return { numbers, heft };
}

/** The workflow node that made a node: by its parents, else by its id (`5.0.0.2` was made by `5`). */
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

/** The longest beginning of an id that is a node of the workflow. */
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

/** Whether a node waits for another: a lazy input is run in the midst of the node that asked for it. */
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

/** Nodes looked through for one that another waits for. */
const SEARCHED = 2_000;

/** 53 bits of a text: enough to tell some thousand nodes apart. */
export function hash(text: string): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}
