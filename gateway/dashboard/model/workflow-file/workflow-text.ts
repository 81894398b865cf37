import { withoutNaN } from '../../../../streams/workflow/json-text';
import { membersOf, type Span } from './json-members';
import { isRecord } from '../../../../streams/options';

/** The workflow in a file, or why there is none that can be run. */
export type Reading =
  | {
      readonly tag: 'workflow';
      /** The workflow in ComfyUI's API format, as the file has it, digit for digit. */
      readonly workflow: string;
      readonly nodes: number;
      readonly seeds: number;
    }
  | { readonly tag: 'unfit'; readonly why: string };

export const unfit = (why: string): Reading => ({ tag: 'unfit', why });

const WAY_OUT =
  'Open it in ComfyUI and choose Workflow → Export (API), in older versions Save (API Format); or drop a picture that ComfyUI saved: it holds that format too.';

/** Reads a workflow; also the one inside a whole body for ComfyUI's `/prompt`. */
export function readWorkflow(file: string): Reading {
  const text = withoutNaN(file.replace(/^\uFEFF/, '').trim());
  if (text === '') return unfit('This file is empty.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return unfit(brokenWords(text, error));
  }
  if (!isRecord(value)) return unfit(`This is JSON, but no workflow. ${WAY_OUT}`);
  const inner = value['prompt'];
  const isBody = isRecord(inner) && !('class_type' in inner);
  const nodes = isBody ? inner : value;
  if (isWorkflow(nodes)) {
    const workflow = isBody ? insideOf(text, 'prompt') : text;
    return { tag: 'workflow', workflow, nodes: Object.keys(nodes).length, seeds: seedsIn(workflow).length };
  }
  if (Array.isArray(value['nodes'])) {
    return unfit(`This is a workflow in the format of ComfyUI’s editor, which cannot be run as it is. ${WAY_OUT}`);
  }
  return unfit(`${partWords(nodes)} ${WAY_OUT}`);
}

/** The workflow with new random seeds, so that ComfyUI does not answer from its cache. Seeds that are links stay. */
export function withNewSeeds(workflow: string, random: () => number): string {
  let fresh = '';
  let done = 0;
  for (const { from, to } of seedsIn(workflow)) {
    fresh += workflow.slice(done, from) + String(Math.floor(random() * 2 ** 32));
    done = to;
  }
  return fresh + workflow.slice(done);
}

/** The places of all seeds that are numbers, in the order of the text. */
const seedsIn = (workflow: string): readonly Span[] =>
  membersOf(workflow)
    .flatMap((node) => membersOf(workflow, node.from).filter(({ key }) => key === 'inputs'))
    .flatMap((inputs) => membersOf(workflow, inputs.from))
    .filter(({ key, from }) => ['seed', 'noise_seed'].includes(key) && /[-\d]/.test(workflow[from] ?? ''));

/** The text of a member's value; of several with the name the last, as in `JSON.parse`. */
const insideOf = (text: string, name: string): string => {
  const member = membersOf(text).findLast(({ key }) => key === name);
  return member ? text.slice(member.from, member.to) : text;
};

function brokenWords(text: string, error: unknown): string {
  if (!/^[{["]/.test(text)) {
    return 'This is not a JSON file, nor a picture, video or sound of ComfyUI’s.';
  }
  return `This begins like JSON, but is broken or cut off: ${error instanceof Error ? error.message : 'it cannot be read'}.`;
}

/** Why an object is no workflow, by the first member that is no node. */
function partWords(value: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(value);
  const [id, node] = entries.find(([, each]) => !isNode(each)) ?? [];
  if (id === undefined) return 'This is JSON without any nodes.';
  if (!entries.some(([, each]) => isRecord(each) && 'class_type' in each)) {
    return 'This is JSON, but no workflow in the API format.';
  }
  const lack = isRecord(node) && typeof node['class_type'] === 'string' ? 'inputs' : 'class_type';
  return `This is nearly a workflow in the API format, but “${id.slice(0, 40)}” has no ${lack}.`;
}

const isNode = (node: unknown): boolean =>
  isRecord(node) && typeof node['class_type'] === 'string' && isRecord(node['inputs']);

const isWorkflow = (value: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(value).length > 0 && Object.values(value).every(isNode);
