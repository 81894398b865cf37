import * as t from 'io-ts';
import { bounds } from '../../streams/bounds';
import type { Failure, NodeError } from '../../streams/job/job-state';
import { readable } from './failure';
import { isRunId } from '../../streams/job/ids';
import { checked, idText, isId, nullable, type Id } from './frame.codec';
import { isRecord } from '../../streams/options';

/** A `prompt_id` that cannot be ComfyUI's makes the whole answer unreadable. */
const runId = checked('runId', (value): value is Id => isId(value) && isRunId(idText(value)));

const complaint = t.intersection([
  t.type({ message: t.string }),
  t.partial({ details: t.unknown, extra_info: nullable(t.UnknownRecord) }),
]);
const refusedNode = t.intersection([
  t.type({ errors: t.array(t.unknown) }),
  t.partial({ class_type: nullable(t.string) }),
]);

/** The answer to a workflow of which at least a part runs. */
export const acceptedCodec = t.intersection([t.type({ prompt_id: runId }), t.partial({ node_errors: t.unknown })]);

const refusal = t.intersection([
  t.type({ error: t.union([t.string, complaint]) }),
  t.partial({ node_errors: t.unknown }),
]);

/** ComfyUI's complaints by node: what is wrong with which input, and with which value of the caller's own. */
export function nodeErrorsOf(errors: unknown): readonly NodeError[] {
  if (!isRecord(errors)) return [];
  const told: NodeError[] = [];
  let characters: number = bounds.nodeErrorsLength;
  for (const nodeId of Object.keys(errors)) {
    const node = errors[nodeId];
    if (!refusedNode.is(node) || nodeId.length > bounds.nodeIdLength) continue;
    for (const error of node.errors) {
      if (told.length >= bounds.nodeErrors) return told;
      if (!complaint.is(error)) continue;
      const next = nodeErrorOf(nodeId, node.class_type, error);
      characters -= JSON.stringify(next).length;
      if (characters < 0) return told;
      told.push(next);
    }
  }
  return told;
}

const nodeErrorOf = (nodeId: string, type: unknown, error: t.TypeOf<typeof complaint>): NodeError => {
  const input = error.extra_info?.['input_name'];
  const named = typeof input === 'string' ? input.slice(0, bounds.classNameLength) : undefined;
  return {
    nodeId,
    ...(typeof type === 'string' && { nodeType: type.slice(0, bounds.classNameLength) }),
    ...(named !== undefined && { input: named }),
    message: withDetails(error, named),
  };
};

/**
 * ComfyUI's message and its details, without the input's name, which is a field of its own, and without the list of all
 * allowed values.
 */
function withDetails({ message, details }: t.TypeOf<typeof complaint>, input = ''): string {
  const text = readable(message);
  if (typeof details !== 'string') return text;
  const added = readable(details.replace(/ not in [[(][\s\S]*$/, ''));
  const own =
    input !== '' && added.startsWith(input) ? added.slice(input.length).replace(/^(,| -|:)\s*|^\s+/, '') : added;
  return own === '' || own === text || /^Node ID '#/.test(own) ? text : `${text}: ${own}`;
}

/** Why ComfyUI refused a workflow for good; `undefined` if the answer has no `error`, and so is not ComfyUI's. */
export function rejection(
  json: unknown,
): { readonly failure: Failure; readonly nodeErrors: readonly NodeError[] } | undefined {
  if (!refusal.is(json)) return undefined;
  const nodeErrors = nodeErrorsOf(json.node_errors);
  const [first, ...others] = nodeErrors;
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    return rejected(`${described(first)}${more}`, nodeErrors, first);
  }
  if (typeof json.error === 'string') return rejected(readable(json.error), [], {});
  const node = nodeNamed(json.error);
  const message = withDetails(json.error);
  // For a missing node type, only `error` names the node.
  return rejected(message, node.nodeId === undefined ? [] : [{ ...node, nodeId: node.nodeId, message }], node);
}

/** Whether a proxy would answer a second try with this status too, because it objects to the request or the address. */
export const isFinal = (status: number): boolean => status < 400 || finals.has(status);
const finals: ReadonlySet<number> = new Set([
  ...[400, 401, 402, 403, 406, 407, 411, 413, 414, 415, 416, 417, 422, 426, 431, 451],
]);

/** The failure of a job whose post a proxy answered. By the status: the page's text is written for browsers. */
export function proxyRefusal({ status, location = '' }: { status: number; location: string | undefined }): Failure {
  const isUp = isFinal(status);
  const [kind, retryable, why] = refusals[status] ?? [
    isUp ? 'rejected' : 'unreachable',
    !isUp,
    status < 400
      ? `the server's address redirects ${redirected(location)}`
      : 'something before ComfyUI refuses the request',
  ];
  return { kind, message: `ComfyUI was not reached: ${why} (${status}).`, retryable };
}

/** A redirect to the same route means that the address is wrong; one to another page wants somebody to sign in. */
function redirected(location: string): string {
  if (!/\/prompt\/?$/.test(location.replace(/[?#].*$/, '')))
    return 'to another page, to sign in it may be; the server’s headers may lack a credential';
  return `elsewhere: COMFYUI_URL should ${location.startsWith('https:') ? 'begin with https://' : 'be where it leads'}`;
}

const refusals: Readonly<Record<number, readonly [kind: Failure['kind'], retryable: boolean, why: string]>> = {
  401: ['unreachable', false, 'something before it asks for credentials, which the server’s headers do not give'],
  403: ['unreachable', false, 'something before it forbids the request; the server’s headers may lack a credential'],
  404: [
    'unreachable',
    true,
    'nothing is at the server’s address; COMFYUI_URL may be wrong, or ComfyUI not started yet',
  ],
  407: ['unreachable', false, 'a proxy asks for credentials'],
  413: ['rejected', false, 'a proxy before it takes no body of this size'],
};

const rejected = (message: string, nodeErrors: readonly NodeError[], node: { nodeId?: string; nodeType?: string }) => ({
  failure: {
    kind: 'rejected' as const,
    message,
    ...(node.nodeId !== undefined && { nodeId: node.nodeId }),
    ...(node.nodeType !== undefined && { nodeType: node.nodeType }),
    retryable: false,
  },
  nodeErrors,
});

const described = ({ nodeId, nodeType, input, message }: NodeError): string =>
  `Node ${nodeId}${nodeType === undefined ? '' : ` (${nodeType})`}${input === undefined ? '' : `, input ${input}`}: ${message}`;

/**
 * The node of a missing node type: in `extra_info`; before 0.3.64 in `details` as `Node ID '#1'`, and its type in the
 * message.
 */
function nodeNamed({ message, details, extra_info }: { message: string; details?: unknown; extra_info?: unknown }): {
  nodeId?: string;
  nodeType?: string;
} {
  const info = isRecord(extra_info) ? extra_info : {};
  const nodeId = info['node_id'] ?? (typeof details === 'string' ? /^Node ID '#(.+)'$/.exec(details)?.[1] : undefined);
  const nodeType =
    info['class_type'] ?? /\bnode (.+?) does not exist/.exec(message.slice(0, bounds.messageLength))?.[1];
  return {
    ...(typeof nodeId === 'string' && nodeId.length <= bounds.nodeIdLength && { nodeId }),
    ...(typeof nodeType === 'string' && { nodeType: nodeType.slice(0, bounds.classNameLength) }),
  };
}
