import { bounds } from '../bounds';
import { isRecord } from '../options';
import { copies } from '../maps/remember';
import { alike } from '../workflow/alike';
import { seeded, type Graph, type GraphNode, type Seed } from '../workflow/graph';
import { asNumber, isSeed } from './progress/plan/numbers';

export type { Graph, GraphNode } from '../workflow/graph';

/** A workflow in ComfyUI's API format: nodes by id. */
export type Workflow = Readonly<Record<string, WorkflowNode>>;

/** One node of a workflow. */
export interface WorkflowNode {
  readonly class_type: string;
  /** Literals, or links `[nodeId, outputIndex]`. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly _meta?: { readonly title?: string };
}

/** What ComfyUI is asked to run, as JSON text: so no number is parsed and written again on its way to ComfyUI (R18). */
export interface Prompt {
  /** The workflow in API format. */
  readonly workflow: string;
  /**
   * What `outlineOf` made of it, if known: it is read in place of a large workflow, which would hold up the event loop.
   */
  readonly outline?: string;
  /** `extra_data` of ComfyUI's `POST /prompt`, an object. A secret: it holds API keys of paid nodes. */
  readonly extraData?: string;
  /** Whether ComfyUI puts the job before all that wait. */
  readonly front?: boolean;
  /** The job's priority in the queue: the lowest number runs first. By default ComfyUI counts up. */
  readonly number?: number;
  /** The output nodes to run; all of them by default. */
  readonly partialExecutionTargets?: readonly string[];
}

/** Names of inputs whose short texts a node's time depends on, and which hold no text that a user wrote. */
const NAMING = /name|model|sampler|scheduler|method|mode|device|dtype|precision|(^|_)type$/;
/** Names of inputs that may hold private values: never kept, even if `NAMING` matches too. */
const PRIVATE = /key|token|secret|password|prompt|text|url|path|prefix|user/i;
/** How many inputs of a node are kept, and how many characters their names and texts may have. */
const LITERALS = 24;
const LITERAL_LENGTH = 80;

const isTelling = ([name, value]: readonly [string, unknown]): boolean =>
  name.length <= LITERAL_LENGTH &&
  !PRIVATE.test(name) &&
  (typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value)) ||
    (typeof value === 'string' &&
      value.length <= LITERAL_LENGTH &&
      (NAMING.test(name) || (value.trim() !== '' && Number.isFinite(Number(value))))));

export const emptyGraph: Graph = new Map();

/**
 * The graph of a workflow; the same object for workflows with equal graphs. Never throws: what is no node is left out,
 * names are cut, and links past the bound are dropped.
 */
export function graphOf(workflow: unknown): Graph {
  if (!isRecord(workflow)) return emptyGraph;
  const graph = new Map<string, GraphNode>();
  const seeds: Seed[] = [];
  for (const id of Object.keys(workflow)) {
    const node = workflow[id];
    if (!isRecord(node) || typeof node['class_type'] !== 'string' || id.length > bounds.nodeIdLength) continue;
    const inputs = isRecord(node['inputs']) ? node['inputs'] : {};
    const meta = isRecord(node['_meta']) ? node['_meta'] : {};
    graph.set(id, {
      type: once(shown(node['class_type'], bounds.classNameLength)),
      ...(typeof meta['title'] === 'string' && { title: once(shown(meta['title'], bounds.titleLength)) }),
      inputs: linkedNodes(inputs),
      links: linksOf(inputs),
      ...literalsOf(inputs, seeds),
    });
  }
  return seeded(likeBefore(graph), seeds);
}

const likeBefore = alike<GraphNode>(({ type, title, inputs, links, literals, seeds }) =>
  JSON.stringify([type, title, inputs, [...links], [...literals], seeds]),
);

/**
 * Shared by all nodes without links or literals: an empty `Map` takes 200 bytes, and a workflow may have 10,000 nodes.
 */
const none: ReadonlyMap<string, never> = new Map<string, never>();
const noNodes: readonly string[] = [];

/** One copy of each class name and title: all jobs share a few hundred. */
const once = copies(5_000);

/** The nodes that these inputs come from, each once. */
function linkedNodes(inputs: Record<string, unknown>): readonly string[] {
  const from = new Set<string>();
  for (const name of Object.keys(inputs)) {
    const input = inputs[name];
    if (isLink(input)) from.add(input[0]);
    if (from.size >= bounds.linksPerNode) break;
  }
  return from.size === 0 ? noNodes : [...from];
}

/** The node that each linked input comes from. */
function linksOf(inputs: Record<string, unknown>): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const name of Object.keys(inputs)) {
    const input = inputs[name];
    if (isLink(input) && name.length <= LITERAL_LENGTH) links.set(name, input[0]);
    if (links.size >= LITERALS) break;
  }
  return links.size === 0 ? none : links;
}

/** The literals of a node's inputs, and the names of those that hold seeds, whose values it adds to `seeds`. */
function literalsOf(inputs: Record<string, unknown>, seeds: Seed[]): Pick<GraphNode, 'literals' | 'seeds'> {
  const literals = new Map<string, number | string>();
  const seedNames: string[] = [];
  for (const name of Object.keys(inputs)) {
    const value = inputs[name];
    if (isTelling([name, value])) {
      const literal = typeof value === 'boolean' ? String(value) : (value as number | string);
      if (isSeed(name) && asNumber(literal) !== undefined) {
        seedNames.push(name);
        seeds.push(literal);
      } else literals.set(name, literal);
    }
    if (literals.size + seedNames.length >= LITERALS) break;
  }
  return { literals: literals.size === 0 ? none : literals, ...(seedNames.length > 0 && { seeds: seedNames }) };
}

/** The graph of a prompt's workflow; empty if that is no JSON. */
export function graphOfPrompt(prompt: Prompt | undefined): Graph {
  return graphOf(parsed(prompt));
}

/** The prompt cut to what `graphOf` reads: no prompt texts, no pictures, a few KB. */
export function outlineOf(prompt: Prompt): Prompt {
  const workflow = parsed(prompt);
  const nodes = Object.entries(isRecord(workflow) ? workflow : {}).flatMap(([id, node]) => {
    if (!isRecord(node) || typeof node['class_type'] !== 'string') return [];
    const kept = Object.entries(isRecord(node['inputs']) ? node['inputs'] : {}).filter(
      (input) => isLink(input[1]) || isTelling(input),
    );
    const { title } = isRecord(node['_meta']) ? node['_meta'] : {};
    const named = typeof title === 'string' ? { _meta: { title: shown(title, bounds.titleLength) } } : {};
    const class_type = shown(node['class_type'], bounds.classNameLength);
    return [[id, { class_type, inputs: Object.fromEntries(kept), ...named }] as const];
  });
  return { workflow: JSON.stringify(Object.fromEntries(nodes)) };
}

function parsed(prompt: Prompt | undefined): unknown {
  if (prompt === undefined) return undefined;
  try {
    return JSON.parse(prompt.outline ?? prompt.workflow);
  } catch {
    return undefined;
  }
}

/** The start of a text, as a copy: a mere slice would keep all of it in memory. */
const shown = (text: string, most: number): string => Array.from(text.slice(0, most)).join('');

/** Whether an input is a link to another node's output. */
export const isLink = (value: unknown): value is [string, number] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'number';
