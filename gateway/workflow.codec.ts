import * as E from 'fp-ts/Either';
import { identity, pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { Workflow, WorkflowNode } from '../streams/workflow';
import { checked } from './fields.codec';

const EXPORT = 'export it from ComfyUI with "Save (API Format)", in newer versions "Export (API)"';

/** ComfyUI's API format: an object of nodes by id. What else a node holds stays as it is. */
export const WorkflowFromJson: t.Type<Workflow, Workflow> = new t.Type<Workflow, Workflow, unknown>(
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
);

const Node = checked<WorkflowNode>('WorkflowNode', (value) => {
  if (!isObject(value)) return E.left('must be a node: an object with class_type and inputs');
  const { class_type, inputs } = value;
  if (typeof class_type !== 'string' || class_type === '') return E.left('has no class_type, the name of a node class');
  return isObject(inputs)
    ? E.right({ ...value, class_type, inputs })
    : E.left('has no inputs, an object of values by name');
});

const Nodes = t.record(t.string, Node);

/** What people send in its place is named, with the way out. */
const shapeOf = (value: unknown): E.Either<string, Readonly<Record<string, unknown>>> => {
  if (!isObject(value)) return E.left('must be a workflow in ComfyUI’s API format: an object of nodes by id');
  if (Array.isArray(value['nodes'])) return E.left(`is in the UI format; ${EXPORT}`);
  if (isObject(value['prompt']) && !('class_type' in value['prompt'])) {
    return E.left('is a whole body for ComfyUI’s /prompt; send what is under its "prompt"');
  }
  return Object.keys(value).length === 0 ? E.left('has no nodes') : E.right(value);
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
