/** A workflow in ComfyUI's API format: nodes by id. */
export type Workflow = Readonly<Record<string, WorkflowNode>>;

export interface WorkflowNode {
  readonly class_type: string;
  /** Literals, or links `[nodeId, outputIndex]`. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly _meta?: { readonly title?: string };
}

/** What ComfyUI is asked to run, as JSON text: nobody between the caller and ComfyUI reads a number of it and writes it again (R18). */
export interface Prompt {
  /** The workflow in API format. */
  readonly workflow: string;
  /** `extra_data` of ComfyUI's `POST /prompt`, an object: holds keys of paid API nodes, so it is a secret. */
  readonly extraData?: string;
  /** Whether it goes before all jobs that wait. */
  readonly front?: boolean;
  /** Its place in the queue, lower first; where absent ComfyUI counts up. */
  readonly number?: number;
  /** The output nodes to be run; where absent all are. */
  readonly partialExecutionTargets?: readonly string[];
}

/** What progress needs to know of one node. */
export interface GraphNode {
  readonly type: string;
  readonly title?: string;
  /** How many steps it declares; absent where it declares none. */
  readonly steps?: number;
  /** The nodes it takes inputs from. */
  readonly inputs: readonly string[];
  /** The node that each linked input comes from, by the input's name. */
  readonly links: ReadonlyMap<string, string>;
  /** The inputs that its time may depend on: numbers, and short names of models and methods; no prompts. */
  readonly literals: ReadonlyMap<string, number | string>;
}

/** The nodes of a workflow and who feeds whom. Empty where the workflow is not known. */
export type Graph = ReadonlyMap<string, GraphNode>;

/** Inputs by which samplers and trainers declare how many steps they take. */
const stepInputs = ['steps', 'max_train_steps', 'train_steps', 'total_steps', 'num_inference_steps', 'num_steps'];

/** Inputs whose short texts name what a node's time depends on, and none of what somebody wrote. */
const NAMING = /name|model|sampler|scheduler|method|mode|device|dtype|precision|(^|_)type$/;
/** Inputs kept of a node, and characters of a text among them. */
const LITERALS = 24;
const LITERAL_LENGTH = 80;

const isTelling = ([name, value]: readonly [string, unknown]): boolean =>
  typeof value === 'number'
    ? Number.isFinite(value)
    : typeof value === 'string' &&
      value.length <= LITERAL_LENGTH &&
      (NAMING.test(name) || (value.trim() !== '' && Number.isFinite(Number(value))));

export const emptyGraph: Graph = new Map();

/** Reads the graph of a workflow. Total: what is no node is left out. */
export function graphOf(workflow: unknown): Graph {
  if (!isRecord(workflow)) return emptyGraph;
  const graph = new Map<string, GraphNode>();
  for (const [id, node] of Object.entries(workflow)) {
    if (!isRecord(node) || typeof node['class_type'] !== 'string') continue;
    const inputs = isRecord(node['inputs']) ? node['inputs'] : {};
    const meta = isRecord(node['_meta']) ? node['_meta'] : {};
    const steps = declaredSteps(inputs, workflow);
    graph.set(id, {
      type: node['class_type'],
      ...(typeof meta['title'] === 'string' && { title: meta['title'] }),
      ...(steps !== undefined && { steps }),
      inputs: [
        ...new Set(
          Object.values(inputs)
            .filter(isLink)
            .map(([from]) => from),
        ),
      ],
      links: new Map(Object.entries(inputs).flatMap(([name, input]) => (isLink(input) ? [[name, input[0]]] : []))),
      literals: new Map(
        Object.entries(inputs).filter(isTelling).slice(0, LITERALS) as (readonly [string, number | string])[],
      ),
    });
  }
  return graph;
}

/** The graph of a workflow as text; empty where that is no JSON. */
export function graphOfPrompt(prompt: Prompt | undefined): Graph {
  return graphOf(parsed(prompt));
}

/** A workflow with what its graph needs and nothing else: no prompts, no pictures, a few KB. */
export function outlineOf(prompt: Prompt): Prompt {
  const workflow = (parsed(prompt) ?? {}) as Workflow;
  const nodes = Object.entries(workflow).map(([id, { class_type, inputs, _meta }]) => {
    const kept = Object.entries(inputs).filter((input) => isLink(input[1]) || isTelling(input));
    return [
      id,
      {
        class_type,
        inputs: Object.fromEntries(kept),
        ...(_meta?.title !== undefined && { _meta: { title: _meta.title } }),
      },
    ];
  });
  return { workflow: JSON.stringify(Object.fromEntries(nodes)) };
}

/** The nodes nobody takes an input from: the outputs, as far as a graph alone can tell. Asked for with each frame, found once. */
export function sinksOf(graph: Graph): readonly string[] {
  const known = sinks.get(graph);
  if (known !== undefined) return known;
  const fed = new Set([...graph.values()].flatMap((node) => node.inputs));
  const found = [...graph.keys()].filter((id) => !fed.has(id));
  sinks.set(graph, found);
  return found;
}

const sinks = new WeakMap<Graph, readonly string[]>();

/** Whether `id` needs `other` done first, however far back. */
export function dependsOn(graph: Graph, id: string, other: string): boolean {
  const seen = new Set<string>();
  const open = [...(graph.get(id)?.inputs ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    for (const input of graph.get(next)?.inputs ?? []) open.push(input);
  }
  return false;
}

function declaredSteps(inputs: Record<string, unknown>, workflow: Record<string, unknown>): number | undefined {
  for (const name of stepInputs) {
    const steps = numberAt(inputs[name], workflow);
    if (steps !== undefined && steps >= 1) return steps;
  }
  return undefined;
}

/** A literal, or the `value` of the primitive node that a link leads to. */
function numberAt(input: unknown, workflow: Record<string, unknown>): number | undefined {
  if (typeof input === 'number' && Number.isFinite(input)) return input;
  if (!isLink(input)) return undefined;
  const node = workflow[input[0]];
  const value = isRecord(node) && isRecord(node['inputs']) ? node['inputs']['value'] : undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function parsed(prompt: Prompt | undefined): unknown {
  if (prompt === undefined) return undefined;
  try {
    return JSON.parse(prompt.workflow);
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isLink = (value: unknown): value is [string, number] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'number';
