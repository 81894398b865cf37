import * as t from 'io-ts';
import type { Failure, NodeError } from '../../streams/job/job-state';
import { readable } from './failure';
import { isRunId } from '../../streams/job/run-id';
import { nullable } from './frame.codec';
/** An id that could not be ComfyUI's makes the answer one that cannot be read. */
const runId = new t.Type<string, string, unknown>(
  'RunId',
  (value): value is string => typeof value === 'string' && isRunId(value),
  (value, context) => (typeof value === 'string' && isRunId(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

const complaint = t.intersection([t.type({ message: t.string }), t.partial({ extra_info: nullable(t.UnknownRecord) })]);
const refusedNode = t.intersection([
  t.type({ errors: t.array(t.unknown) }),
  t.partial({ class_type: nullable(t.string) }),
]);

/** The answer to a workflow that runs, in part at least. */
export const acceptedCodec = t.intersection([t.type({ prompt_id: runId }), t.partial({ node_errors: t.unknown })]);

const complete = t.intersection([complaint, t.partial({ details: nullable(t.string) })]);
const refusal = t.intersection([
  t.type({ error: t.union([t.string, complete]) }),
  t.partial({ node_errors: t.unknown }),
]);

/** ComfyUI's complaints node by node: what is wrong with which input, never the input's value (R13). */
export function nodeErrorsOf(errors: unknown): readonly NodeError[] {
  if (!t.UnknownRecord.is(errors)) return [];
  return Object.entries(errors).flatMap(([nodeId, node]) =>
    refusedNode.is(node)
      ? node.errors
          .filter((error) => complaint.is(error))
          .map(({ message, extra_info }) => {
            const input = extra_info?.['input_name'];
            return {
              nodeId,
              ...(typeof node.class_type === 'string' && { nodeType: node.class_type }),
              ...(typeof input === 'string' && { input }),
              message: readable(message),
            };
          })
      : [],
  );
}

/** Why ComfyUI, or something before it, refused a workflow for good. */
export function rejection(
  status: number,
  json: unknown,
): { readonly failure: Failure; readonly nodeErrors: readonly NodeError[] } {
  if (!refusal.is(json)) return rejected(`The server refused the request with status ${status}.`, [], {});
  const nodeErrors = nodeErrorsOf(json.node_errors);
  const [first, ...others] = nodeErrors;
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    return rejected(`${described(first)}${more}`, nodeErrors, first);
  }
  if (typeof json.error === 'string') return rejected(readable(json.error), [], {});
  const node = nodeNamed(json.error);
  const message = readable(json.error.message);
  // A missing node type is told of by the error alone.
  return rejected(message, node.nodeId === undefined ? [] : [{ ...node, nodeId: node.nodeId, message }], node);
}

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

/** A missing node type is told in `extra_info`, or before 0.3.64 in `details` as `Node ID '#1'` and in the message. */
function nodeNamed({ message, details, extra_info }: { message: string; details?: unknown; extra_info?: unknown }): {
  nodeId?: string;
  nodeType?: string;
} {
  const info = t.UnknownRecord.is(extra_info) ? extra_info : {};
  const nodeId = info['node_id'] ?? (typeof details === 'string' ? /^Node ID '#(.+)'$/.exec(details)?.[1] : undefined);
  const nodeType = info['class_type'] ?? /\bnode (\S+) does not exist/.exec(message)?.[1];
  return { ...(typeof nodeId === 'string' && { nodeId }), ...(typeof nodeType === 'string' && { nodeType }) };
}
