import { stringify } from 'lossless-json';
import type { Prompt } from '../../streams/job/workflow';
import type { SubmitRequest } from '../api';

/** What a request asks ComfyUI to run. A `bigint` becomes the integer it is; text goes through byte for byte (R18). */
export const promptOf = ({
  workflow,
  outline,
  extraData,
  front,
  number,
  partialExecutionTargets,
}: SubmitRequest): Prompt => ({
  workflow: textOf(workflow),
  ...(outline !== undefined && { outline }),
  ...(extraData !== undefined && { extraData: textOf(extraData) }),
  ...(front !== undefined && { front }),
  ...(number !== undefined && { number }),
  ...(partialExecutionTargets !== undefined && { partialExecutionTargets }),
});

const textOf = (json: unknown): string => (typeof json === 'string' ? json : (stringify(json) ?? 'null'));
