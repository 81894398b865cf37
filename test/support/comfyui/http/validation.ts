import { isLink } from '../execution/graph';
import type { Prompt, PromptNode } from '../execution/graph';
import type { InputSpec, NodeClass } from '../nodes/node-class';
import { nodeClass } from '../nodes/nodes';
import type { VersionTraits } from '../versions';

interface Reason {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}
interface NodeErrors {
  readonly errors: readonly Reason[];
  readonly dependent_outputs: string[];
  readonly class_type: string | undefined;
}

/** What ComfyUI makes of a workflow before it queues it: the outputs it will run, and what is wrong with which node. */
export interface Validation {
  /** Set where nothing will run. */
  readonly error?: Reason;
  readonly outputs: readonly string[];
  readonly nodeErrors: Readonly<Record<string, NodeErrors>>;
}

class KeyError extends Error {}

/** Validates as that version does, in its words. */
export function validatePrompt(prompt: Prompt, traits: VersionTraits): Validation {
  for (const [id, node] of Object.entries(prompt)) {
    const error = classError(id, node, traits);
    if (error) return { error, outputs: [], nodeErrors: {} };
  }
  const ids = Object.keys(prompt).filter((id) => nodeClass(prompt[id]?.class_type ?? '')?.isOutput);
  if (ids.length === 0) return refused(reason('prompt_no_outputs', 'Prompt has no outputs', ''), {});

  const validated = new Map<string, readonly Reason[] | 'upstream' | 'valid'>();
  const nodeErrors: Record<string, NodeErrors> = {};
  const outputs: string[] = [];
  const refusals: string[] = [];
  for (const output of traits.setOrder(ids)) {
    let verdict: readonly Reason[] | 'upstream' | 'valid';
    try {
      verdict = validateNode(prompt, output, validated);
    } catch (error) {
      verdict = [exception(error, traits)];
      validated.set(output, verdict);
    }
    if (verdict === 'valid') {
      outputs.push(output);
      continue;
    }
    if (verdict !== 'upstream') refusals.push(...verdict.map(({ message, details }) => `${message}: ${details}`));
    for (const [id, reasons] of validated) {
      if (typeof reasons === 'string') continue;
      nodeErrors[id] ??= { errors: reasons, dependent_outputs: [], class_type: prompt[id]?.class_type };
      nodeErrors[id].dependent_outputs.push(output);
    }
  }
  if (outputs.length > 0) return { outputs, nodeErrors };
  const message = 'Prompt outputs failed validation';
  return refused(reason('prompt_outputs_failed_validation', message, refusals.join('\n')), nodeErrors);
}

function validateNode(
  prompt: Prompt,
  id: string,
  validated: Map<string, readonly Reason[] | 'upstream' | 'valid'>,
): readonly Reason[] | 'upstream' | 'valid' {
  const known = validated.get(id);
  if (known !== undefined) return known;
  const node = prompt[id];
  if (!node) throw new KeyError(`'${id}'`);
  const spec = nodeClass(node.class_type);
  const errors: Reason[] = [];
  let isValid = true;
  for (const [name, input, isRequired] of spec ? inputsOf(spec) : []) {
    const value = node.inputs[name];
    if (value === undefined) {
      if (isRequired)
        errors.push(reason('required_input_missing', 'Required input is missing', name, { input_name: name }));
    } else if (Array.isArray(value)) {
      const error = linkError(prompt, name, input, value);
      if (error) errors.push(error);
      else if (validateNode(prompt, String(value[0]), validated) !== 'valid') isValid = false;
    } else {
      const error = valueError(name, input, value);
      if (error) errors.push(error);
    }
  }
  const verdict = errors.length > 0 ? errors : isValid ? 'valid' : 'upstream';
  validated.set(id, verdict);
  return verdict;
}

function linkError(prompt: Prompt, name: string, input: InputSpec, value: readonly unknown[]): Reason | undefined {
  const info = { input_name: name, input_config: input, received_value: value };
  if (!isLink(value)) {
    const message = 'Bad linked input, must be a length-2 list of [node_id, slot_index]';
    return reason('bad_linked_input', message, name, info);
  }
  const source = prompt[value[0]];
  if (!source) throw new KeyError(`'${value[0]}'`);
  const received = nodeClass(source.class_type)?.returns[value[1]] ?? '*';
  if (input[0] === '*' || received === '*' || received === input[0]) return undefined;
  const details = `${name}, received_type(${received}) mismatch input_type(${String(input[0])})`;
  const extra = { input_name: name, input_config: input, received_type: received, linked_node: value };
  return reason('return_type_mismatch', 'Return type mismatch between linked nodes', details, extra);
}

function valueError(name: string, input: InputSpec, value: unknown): Reason | undefined {
  const [type, options = {}] = input;
  const info = { input_name: name, input_config: input, received_value: value };
  const shown = String(value);
  if (typeof type !== 'string') {
    if (type.includes(shown)) return undefined;
    const details = `${name}: '${shown}' not in [${type.map((choice) => `'${choice}'`).join(', ')}]`;
    return reason('value_not_in_list', 'Value not in list', details, info);
  }
  if (type !== 'INT' && type !== 'FLOAT') return undefined;
  const amount = amountOf(type, value);
  if (amount === undefined) {
    const asInt = `invalid literal for int() with base 10: '${shown}'`;
    const exception_message = type === 'INT' ? asInt : `could not convert string to float: '${shown}'`;
    const message = `Failed to convert an input value to a ${type} value`;
    return reason('invalid_input_type', message, `${name}, ${shown}, ${exception_message}`, {
      ...info,
      exception_message,
    });
  }
  const { min, max } = options;
  if (min !== undefined && amount < min) {
    return reason('value_smaller_than_min', `Value ${shown} smaller than min of ${min}`, name, info);
  }
  if (max !== undefined && amount > max) {
    return reason('value_bigger_than_max', `Value ${shown} bigger than max of ${max}`, name, info);
  }
  return undefined;
}

/** The value as Python's `int` or `float` takes it; `NaN` is a float. */
function amountOf(type: string, value: unknown): number | bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (value === null || (typeof value === 'string' && value.trim() === '')) return undefined;
  if (type === 'FLOAT' && typeof value === 'string' && /^\s*nan\s*$/i.test(value)) return NaN;
  if (type === 'INT' && typeof value === 'string' && /^\s*-?\d+\s*$/.test(value)) return BigInt(value.trim());
  const amount = Number(value);
  return Number.isNaN(amount) ? undefined : amount;
}

function classError(id: string, node: Partial<PromptNode>, traits: VersionTraits): Reason | undefined {
  const { class_type } = node;
  const details = `Node ID '#${id}'`;
  if (class_type === undefined) {
    return reason('invalid_prompt', 'Cannot execute because a node is missing the class_type property.', details);
  }
  if (nodeClass(class_type)) return undefined;
  if (!traits.missingNodeType) {
    return reason('invalid_prompt', `Cannot execute because node ${class_type} does not exist.`, details);
  }
  const message = `Node '${class_type}' not found. The custom node may not be installed.`;
  return reason('missing_node_type', message, details, { node_id: id, class_type, node_title: class_type });
}

function exception(error: unknown, traits: VersionTraits): Reason {
  const details = error instanceof Error ? error.message : String(error);
  const extra = { exception_type: 'KeyError', traceback: traits.validateTrace };
  return reason('exception_during_validation', 'Exception when validating node', details, extra);
}

function inputsOf({ required, optional = {} }: NodeClass): [name: string, input: InputSpec, isRequired: boolean][] {
  const listed = (inputs: Readonly<Record<string, InputSpec>>, isRequired: boolean) =>
    Object.entries(inputs).map(([name, input]): [string, InputSpec, boolean] => [name, input, isRequired]);
  return [...listed(required, true), ...listed(optional, false)];
}

function refused(error: Reason, nodeErrors: Validation['nodeErrors']): Validation {
  return { error, outputs: [], nodeErrors };
}

function reason(type: string, message: string, details: string, extra_info: Reason['extra_info'] = {}): Reason {
  return { type, message, details, extra_info };
}
