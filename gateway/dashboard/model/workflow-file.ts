/** A workflow in ComfyUI's API format: nodes by id. */
export type WorkflowJson = Readonly<Record<string, { readonly class_type: string; readonly inputs: object }>>;

/** What a file holds, or why it is none that can be run. */
export type Reading =
  | { readonly tag: 'workflow'; readonly workflow: WorkflowJson; readonly nodes: number; readonly seeds: number }
  | { readonly tag: 'unfit'; readonly why: string };

const unfit = (why: string): Reading => ({ tag: 'unfit', why });
const EXPORT = 'In ComfyUI, use “Export (API)”, in older versions “Save (API Format)”.';

/** Reads a dropped file. A whole body for ComfyUI's `/prompt` is taken for the workflow inside. */
export function readWorkflow(text: string): Reading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unfit('This is not a JSON file.');
  }
  if (!isObject(value)) return unfit(`This is JSON, but no workflow. ${EXPORT}`);
  if (Array.isArray(value['nodes'])) return unfit(`This is a workflow in the format of ComfyUI’s editor. ${EXPORT}`);
  const inner = value['prompt'];
  const nodes = isObject(inner) && !('class_type' in inner) ? inner : value;
  if (!isWorkflow(nodes)) return unfit(`This is JSON, but no workflow in the API format. ${EXPORT}`);
  return { tag: 'workflow', workflow: nodes, nodes: Object.keys(nodes).length, seeds: seedsOf(nodes).length };
}

/** The same workflow with other seeds, so that ComfyUI does not answer from its cache. Links to other nodes stay. */
export function withNewSeeds(workflow: WorkflowJson, random: () => number): WorkflowJson {
  const fresh = structuredClone(workflow);
  for (const [id, name] of seedsOf(workflow)) {
    (fresh[id]?.inputs as Record<string, unknown>)[name] = Math.floor(random() * 2 ** 32);
  }
  return fresh;
}

const seedsOf = (workflow: WorkflowJson): readonly (readonly [id: string, input: string])[] =>
  Object.entries(workflow).flatMap(([id, { inputs }]) =>
    Object.entries(inputs)
      .filter(([name, value]) => ['seed', 'noise_seed'].includes(name) && typeof value === 'number')
      .map(([name]) => [id, name] as const),
  );

const isWorkflow = (value: Readonly<Record<string, unknown>>): value is WorkflowJson =>
  Object.keys(value).length > 0 &&
  Object.values(value).every(
    (node) => isObject(node) && typeof node['class_type'] === 'string' && isObject(node['inputs']),
  );

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
