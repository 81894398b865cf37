import { copies } from '../../../maps/remember';
import { seedless, type Graph, type GraphNode } from '../../../workflow/graph';
import { contexts, nothing, sizesIn, type Context } from './context';
import { stepsOf, tilesOf } from './declared-steps';
import { hash } from './hash';
import { listedIn, LISTED, loopOf, type Loop } from './loops';
import { priorOf, takesSteps, type Prior } from './priors';

/** One node of a workflow, as far as its time goes. */
export interface PlanNode {
  readonly id: string;
  readonly type: string;
  /** Its place among the nodes of the graph. */
  readonly place: number;
  readonly inputs: readonly string[];
  /** A digest of their classes, each once: what comes as a list makes it run so often. */
  readonly fedBy: string;
  /** Whether it works with a model, or with what one made: its time is another with another model. */
  readonly usesModel: boolean;
  /** The steps it will take, where its inputs or those of its scheduler declare them. */
  readonly steps: number | undefined;
  /** How often it counts through them, where its inputs and the size of its picture tell how many tiles that has. */
  readonly tiles: number | undefined;
  /** How much longer it takes for what it works on than the first node of the graph that counts does for that. */
  readonly size: number;
  /** How often all it does is done, as far as a list before it tells. */
  readonly listed: number;
  /** The loop that it ends, where that tells how often it goes round. */
  readonly loop: Loop | undefined;
  /** What its class's name makes one expect. */
  readonly prior: Prior;
  readonly literals: GraphNode['literals'];
  readonly context: Context;
  /** Of all nodes of the graph and their links. */
  readonly shape: string;
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

/** The plan of a graph; made once for all that differ in seeds alone. */
export function planOf(graph: Graph): Plan {
  const like = seedless(graph);
  const known = plans.get(like);
  if (known !== undefined) return known;
  const plan = madeFrom(like);
  plans.set(like, plan);
  return plan;
}

/** Of one template all jobs have the same. */
const once = copies(1_000);

/** A sink of another name is left out where some sink saves or shows: ComfyUI never runs it. */
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
    // Each time that a loop goes round once more is a step of its last node.
    const steps = loop !== undefined && loop.times > 2 ? loop.times - 1 : own;
    if (loop !== undefined) [loops, inLoops] = [loops + 1, inLoops + loop.body.length];
    // In one literal, of which V8 keeps all fields in the object itself.
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

/** So many loops of a workflow are looked through, and so many nodes within all of them: to plan what is still to come costs a frame each of those. */
const MOST_LOOPS = 32;
const MOST_IN_LOOPS = 2_000;

/** Inputs by which a node gets a model, or what one made. */
const OF_A_MODEL = /model|clip|vae|samples|latent|pipe|guider|sigmas/;

function getsModel({ links }: GraphNode): boolean {
  for (const name of links.keys()) if (OF_A_MODEL.test(name)) return true;
  return false;
}

/** A digest of the classes of these nodes, each once; `ofOne` are those made before of one class, as most nodes are fed by one. */
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

/** What a class's name tells. */
interface NodeClass {
  readonly prior: Prior;
  readonly loads: boolean;
}

/** By the class's name: of those that get a model, and of the others. */
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
