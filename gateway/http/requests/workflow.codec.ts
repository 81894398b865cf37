import * as E from 'fp-ts/Either';
import { identity, pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { Workflow, WorkflowNode } from '../../../streams/job/workflow';
import { checked, described, type Described } from '../../wire/described.codec';

const EXPORT = 'export it from ComfyUI with "Save (API Format)", in newer versions "Export (API)"';

const Node = checked<WorkflowNode>(
  'WorkflowNode',
  (value) => {
    if (!isObject(value)) return E.left('must be a node: an object with class_type and inputs');
    const { class_type, inputs } = value;
    if (typeof class_type !== 'string' || class_type === '')
      return E.left('has no class_type, the name of a node class');
    return isObject(inputs)
      ? E.right({ ...value, class_type, inputs })
      : E.left('has no inputs, an object of values by name');
  },
  {
    type: 'object',
    required: ['class_type', 'inputs'],
    properties: {
      class_type: { type: 'string', minLength: 1 },
      inputs: { type: 'object', additionalProperties: true },
    },
  },
);

const Nodes = t.record(t.string, Node);

/** ComfyUI's API format: an object of nodes by id. What else a node holds stays as it is. */
export const WorkflowFromJson: Described<Workflow> = described(
  new t.Type<Workflow, Workflow, unknown>(
    'Workflow',
    (value): value is Workflow => E.isRight(shapeOf(value)) && Nodes.is(value),
    (value, context) =>
      pipe(
        shapeOf(value),
        E.fold(
          (message): t.Validation<Workflow> => t.failure(value, context, message),
          (nodes) => Nodes.validate(nodes, context),
        ),
      ),
    identity,
  ),
  {
    type: 'object',
    minProperties: 1,
    additionalProperties: Node.schema,
    description: 'A workflow in ComfyUI’s API format: nodes by id.',
  },
);

/** What people send in its place is named, with the way out. */
function shapeOf(value: unknown): E.Either<string, Readonly<Record<string, unknown>>> {
  if (!isObject(value)) return E.left('must be a workflow in ComfyUI’s API format: an object of nodes by id');
  if (Array.isArray(value['nodes'])) return E.left(`is in the UI format; ${EXPORT}`);
  if (isObject(value['prompt']) && !('class_type' in value['prompt'])) {
    return E.left('is a whole body for ComfyUI’s /prompt; send what is under its "prompt"');
  }
  return Object.keys(value).length === 0 ? E.left('has no nodes') : E.right(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
