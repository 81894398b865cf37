import * as E from 'fp-ts/Either';
import { bounds } from '../bounds';
import { isLink } from '../job/workflow';
import { anyFields, membersWithin } from './json-members';
import { cut, isWithin } from './shown-text';
import { isRecord } from '../options';

/** Why a field is refused: `message` is the predicate of a sentence about `field`. */
export interface Objection {
  readonly field: string;
  readonly message: string;
}

const EXPORT = 'export it from ComfyUI with "Save (API Format)", in newer versions "Export (API)"';
const WANTED = 'must be a workflow in ComfyUI’s API format: an object of nodes by id';

/** The objections to a workflow, 20 at most (`bounds.fieldErrors`): `field` is a node's id, or empty for the whole. */
export function objectionsTo(value: unknown): readonly Objection[] {
  const workflow = typeof value === 'string' ? parsed(value) : E.right(value);
  if (E.isLeft(workflow)) return [{ field: '', message: workflow.left }];
  const shape = objectionToShape(workflow.right);
  return shape === undefined ? objectionsToNodes(workflow.right as Nodes) : [{ field: '', message: shape }];
}

type Nodes = Readonly<Record<string, unknown>>;

/** Parses a workflow that is text, after a check of the bounds: too much JSON is never built. */
function parsed(text: string): E.Either<string, unknown> {
  const read = membersWithin(text, anyFields);
  if (read.tag === 'beyond') return E.left(read.objection);
  return E.tryCatch(
    () => JSON.parse(text) as unknown,
    () => 'is text that is no JSON',
  );
}

/** Why a value is no workflow at all; names common mistakes and their remedy. */
function objectionToShape(value: unknown): string | undefined {
  if (!isRecord(value)) return WANTED;
  if (value instanceof Uint8Array) return 'is the bytes of a file; give its text, as readFile(file, "utf8") does';
  if (Array.isArray(value['nodes'])) return `is in the UI format; ${EXPORT}`;
  if (isRecord(value['prompt']) && !('class_type' in value['prompt'])) {
    return 'is a whole body for ComfyUI’s /prompt; send what is under its "prompt"';
  }
  const nodes = Object.keys(value).length;
  if (nodes === 0) return 'has no nodes';
  return nodes > bounds.nodes ? `has ${nodes} nodes; at most ${bounds.nodes} are taken` : undefined;
}

function objectionsToNodes(nodes: Nodes): readonly Objection[] {
  const found: Objection[] = [];
  let links = 0;
  for (const [id, node] of Object.entries(nodes)) {
    if (found.length === bounds.fieldErrors) break;
    const own = linksInto(node);
    links += own;
    const message = objectionToNode(id, node, own);
    if (message !== undefined) found.push({ field: cut(id), message });
  }
  if (links > bounds.links) found.push({ field: '', message: `has over ${bounds.links} links` });
  return found.slice(0, bounds.fieldErrors);
}

function objectionToNode(id: string, node: unknown, links: number): string | undefined {
  if (!isWithin(bounds.nodeIdLength, id))
    return `is an id of ${id.length} characters; at most ${bounds.nodeIdLength} are taken`;
  if (!isRecord(node)) return 'must be a node: an object with class_type and inputs';
  const { class_type, inputs } = node;
  if (typeof class_type !== 'string' || class_type === '') return 'has no class_type, the name of a node class';
  if (!isWithin(bounds.classNameLength, class_type))
    return `has a class_type of ${class_type.length} characters; at most ${bounds.classNameLength} are taken`;
  if (!isRecord(inputs)) return 'has no inputs, an object of values by name';
  return links > bounds.linksPerNode ? `has ${links} links; at most ${bounds.linksPerNode} are taken` : undefined;
}

const linksInto = (node: unknown): number =>
  isRecord(node) && isRecord(node['inputs']) ? Object.values(node['inputs']).filter(isLink).length : 0;
