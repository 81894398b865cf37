import { identity } from 'fp-ts/function';
import * as t from 'io-ts';
import { bounds } from '../../../streams/bounds';
import type { Workflow } from '../../../streams/job/workflow';
import { objectionsTo } from '../../../streams/workflow/objections';
import { described, type Described } from '../../wire/described.codec';

const nodeSchema = {
  type: 'object',
  required: ['class_type', 'inputs'],
  properties: {
    class_type: { type: 'string', minLength: 1, maxLength: bounds.classNameLength },
    inputs: { type: 'object', additionalProperties: true },
  },
};

/**
 * ComfyUI's API format: an object of nodes by id, or that as JSON text. Checks ids, `class_type`, that there are
 * `inputs`, and bounds; ComfyUI checks the rest. Names at most `bounds.fieldErrors` (20) objections.
 */
export const WorkflowFromJson: Described<Workflow | string> = described(
  new t.Type<Workflow | string, Workflow | string, unknown>(
    'Workflow',
    (value): value is Workflow | string => objectionsTo(value).length === 0,
    (value, context) => {
      const objections = objectionsTo(value);
      if (objections.length === 0) return t.success(value as Workflow | string);
      return t.failures(
        objections.map(({ field, message }) => ({
          value: undefined,
          context: field === '' ? context : [...context, { key: field, type: t.unknown }],
          message,
        })),
      );
    },
    identity,
  ),
  {
    description:
      'A workflow in ComfyUI’s API format: nodes by id; or that as JSON text. It reaches ComfyUI as it is written here, to the last digit.',
    oneOf: [
      {
        type: 'object',
        minProperties: 1,
        maxProperties: bounds.nodes,
        propertyNames: { maxLength: bounds.nodeIdLength },
        additionalProperties: nodeSchema,
      },
      { type: 'string', pattern: '^\\s*\\{[\\s\\S]*\\}\\s*$', contentMediaType: 'application/json' },
    ],
  },
);
