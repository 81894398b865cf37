import { copies } from '../../../maps/remember';
import { seedless, type Graph, type GraphNode } from '../../../workflow/graph';
import { contexts, nothing, sizesIn, type Context } from './context';
import { stepsOf, tilesOf } from './declared-steps';
import { hash } from './hash';
import { listedIn, LISTED, loopOf, type Loop } from './loops';
import { priorOf, takesSteps, type Prior } from './priors';

/** What of a workflow's node its time depends on. */
export interface PlanNode {
  readonly id: string;
  readonly type: string;
  /** Its place among the nodes of the graph. */
  readonly place: number;
  readonly inputs: readonly string[];
  /** A digest of the inputs' classes, each once: a class that makes a list makes the node run once for each item. */
  readonly fedBy: string;
  /** Whether it gets a model, or what one made: then its time depends on the model. */
  readonly usesModel: boolean;
  /** The steps that it will make, if its inputs or those of its scheduler declare them. */
  readonly steps: number | undefined;
  /** The tiles of its picture, each a round of its steps, if its inputs and the picture's size tell. */
  readonly tiles: number | undefined;
  /** How much longer it takes, for the size of what it works on, than the graph's stepping node with the least. */
  readonly size: number;
  /** How often it runs: once for each item of a list before it, guessed as `LISTED`, else 1. */
  readonly listed: number;
  /** The loop that it ends, if that declares how often it goes round. */
  readonly loop: Loop | undefined;
  /** The expected time by its class's name. */
  readonly prior: Prior;
  readonly literals: GraphNode['literals'];
  readonly context: Context;
  /** A digest of all the graph's nodes and links. */
  readonly shape: string;
}

/** The nodes of a workflow for its progress, and which of them run. */
export interface Plan {
  readonly nodes: ReadonlyMap<string, PlanNode>;
  /** The output nodes, whose inputs ComfyUI runs: by their class names those that save or show something. */
  readonly outputs: readonly string[];
  /** The nodes that load models. */
  readonly loaders: readonly string[];
}

const plans = new WeakMap<Graph, Plan>();

/** The plan of a graph; made once for all graphs that differ in seeds only. */
export function planOf(graph: Graph): Plan {
  const like = seedless(graph);
  const known = plans.get(like);
  if (known !== undefined) return known;
  const plan = madeFrom(like);
  plans.set(like, plan);
  return plan;
}

/** One copy of each digest: all jobs of one template have the same. */
const once = copies(1_000);

/** Classes of output nodes. If any sink matches, the other sinks are left out: ComfyUI never runs them. */
const SAVES = /save|preview|output|show|display|export|combine|send|upload|websocket|write|print|view/i;

function madeFrom(graph: Graph): Plan {
  const shape = once(hash([...graph].map(([id, { type, inputs }]) => `${id}:${type}(${inputs.join()})`).join(';')));
  const classes: Classes = { withModel: new Map(), without: new Map() };
  const before = contexts(graph);
  const digests = new Map<string, string>();
  const nodes = new Map<string, PlanNode>();
  const fed = new Set<string>();
  const loaders: string[] = [];
  const sizeOf = sizesIn(graph, before, (node) => classOf(node, classes).prior.stepMs !== undefined);
  const listed = listedIn(graph);
  let [loops, inLoops] = [0, 0];
  for (const [id, node] of graph) {
    const { type, inputs } = node;
    const { prior, loads } = classOf(node, classes);
    const loop = loops < MOST_LOOPS && inLoops < MOST_IN_LOOPS ? loopOf(graph, node) : undefined;
    const own = takesSteps(prior) || node.literals.has('tiles') ? stepsOf(graph, node) : undefined;
    // Each round of a loop after the first is a step of its last node.
    const steps = loop !== undefined && loop.times > 2 ? loop.times - 1 : own;
    if (loop !== undefined) [loops, inLoops] = [loops + 1, inLoops + loop.body.length];
    // One literal, so that V8 keeps all fields in the object itself.
    nodes.set(id, {
      id,
      type,
      place: nodes.size,
      inputs,
      fedBy: fedBy(graph, inputs, digests),
      usesModel: prior.stepMs !== undefined || getsModel(node),
      steps,
      size: sizeOf(node, id),
      listed: listed.has(id) ? LISTED : 1,
      loop,
      tiles: prior.rounds === undefined ? undefined : tilesOf(graph, node, before),
      prior,
      shape,
      literals: node.literals,
      context: before.get(id) ?? nothing,
    });
    if (loads) loaders.push(id);
    for (const input of inputs) fed.add(input);
  }
  const sinks = [...nodes.values()].filter(({ id }) => !fed.has(id));
  const saving = sinks.filter(({ type }) => SAVES.test(type));
  return { nodes, outputs: (saving.length > 0 ? saving : sinks).map(({ id }) => id), loaders };
}

/**
 * How many loops of a workflow are looked for, and how many nodes they may have in all: a frame that plans anew visits
 * each of those nodes.
 */
const MOST_LOOPS = 32;
const MOST_IN_LOOPS = 2_000;

/** Names of inputs by which a node gets a model, or what one made. */
const OF_A_MODEL = /model|clip|vae|samples|latent|pipe|guider|sigmas/;

function getsModel({ links }: GraphNode): boolean {
  for (const name of links.keys()) if (OF_A_MODEL.test(name)) return true;
  return false;
}

/**
 * A digest of the classes of these nodes, each once; `ofOne` caches those of a single class, as most nodes have one
 * input.
 */
function fedBy(graph: Graph, inputs: readonly string[], ofOne: Map<string, string>): string {
  const [first = ''] = inputs;
  if (inputs.length > 1) return once(hash([...new Set(inputs.map((id) => graph.get(id)?.type ?? ''))].sort().join()));
  const type = graph.get(first)?.type ?? '';
  const known = ofOne.get(type);
  if (known !== undefined) return known;
  const digest = once(hash(type));
  ofOne.set(type, digest);
  return digest;
}

/** What follows from a class's name. */
interface NodeClass {
  readonly prior: Prior;
  readonly loads: boolean;
}

/** Caches by class: for nodes that get a model, and for the others. */
interface Classes {
  readonly withModel: Map<string, NodeClass>;
  readonly without: Map<string, NodeClass>;
}

function classOf({ type, links }: GraphNode, { withModel, without }: Classes): NodeClass {
  const hasModel = links.has('model');
  const classes = hasModel ? withModel : without;
  const known = classes.get(type);
  if (known !== undefined) return known;
  const loads = /load/i.test(type) && !/load ?(image|mask|audio|video)/i.test(type);
  const nodeClass = { prior: priorOf(type, hasModel), loads };
  classes.set(type, nodeClass);
  return nodeClass;
}
