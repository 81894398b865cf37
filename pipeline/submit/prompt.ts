import { stringify } from 'lossless-json';
import { bounds } from '../../streams/bounds';
import type { Prompt } from '../../streams/job/workflow';
import { anyFields, membersWithin } from '../../streams/workflow/json-members';
import { objectionsTo } from '../../streams/workflow/objections';
import { InvalidRequest, type SubmitRequest } from '../api';
import { isRecord } from '../../streams/options';
import { NO_NUMBER, onlyNumbers } from './field-rules';

/**
 * What a request asks ComfyUI to run. A `bigint` becomes the integer that it is. Text goes to ComfyUI byte for byte
 * (R18) inside our own JSON, so it must be valid JSON by itself. Throws `InvalidRequest`, also past a bound (R16).
 */
export function promptOf(request: SubmitRequest): Prompt {
  const { outline, front, number, partialExecutionTargets } = request;
  return {
    workflow: workflowOf(request),
    ...(outline !== undefined && { outline }),
    ...(request.extraData !== undefined && { extraData: extraDataOf(request.extraData) }),
    ...(front !== undefined && { front }),
    ...(number !== undefined && { number }),
    ...(partialExecutionTargets !== undefined && { partialExecutionTargets }),
  };
}

/** The workflow as text. Text that comes with an outline is not parsed: a large one would hold up the event loop. */
function workflowOf({ workflow, outline }: SubmitRequest): string {
  const text = textOf('workflow', workflow);
  if (outline !== undefined) return text;
  const [first] = objectionsTo(typeof workflow === 'string' ? text : (weighed('workflow', text), workflow));
  if (first !== undefined) throw new InvalidRequest(['workflow', first.field].filter(Boolean).join('.'), first.message);
  return text;
}

function extraDataOf(extraData: NonNullable<SubmitRequest['extraData']>): string {
  const text = textOf('extraData', extraData);
  weighed('extraData', text);
  if (!isObject(text)) throw new InvalidRequest('extraData', 'must be a JSON object');
  return text;
}

function textOf(field: string, json: unknown): string {
  if (typeof json === 'string') return withinBytes(field, json);
  let text: string | undefined;
  try {
    text = stringify(json, onlyNumbers);
  } catch (error) {
    const why = error instanceof RangeError && error.message === NO_NUMBER ? NO_NUMBER : NOT_WRITABLE;
    throw new InvalidRequest(field, why);
  }
  return withinBytes(field, text ?? 'null');
}

const NOT_WRITABLE = 'cannot be written as JSON: it refers to itself, or is nested too deep';

function withinBytes(field: string, text: string): string {
  const bytes = text.length > bounds.promptBytes / 3 ? Buffer.byteLength(text) : text.length;
  if (bytes > bounds.promptBytes)
    throw new InvalidRequest(field, `has ${bytes} bytes; at most ${bounds.promptBytes} are taken`);
  return text;
}

function weighed(field: string, text: string): void {
  const read = membersWithin(text, anyFields);
  if (read.tag === 'beyond') throw new InvalidRequest(field, read.objection);
}

function isObject(text: string): boolean {
  try {
    const json: unknown = JSON.parse(text);
    return isRecord(json);
  } catch {
    return false;
  }
}
