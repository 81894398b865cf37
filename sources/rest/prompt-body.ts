import type { Prompt } from '../../streams/job/workflow';
import { MARK } from '../looks/queue-places';

/** A workflow, the job it is for, and the session whose socket is to hear of it. */
export interface Posted {
  readonly promptId: string;
  readonly clientId: string;
  readonly prompt: Prompt;
}

/** The body of `POST /prompt`. What the caller gave goes in as the text it is (R18). */
export function promptBody({ promptId, clientId, prompt }: Posted): string {
  const { workflow, extraData = '{}', front, number, partialExecutionTargets } = prompt;
  const mark = `"${MARK}":${JSON.stringify(promptId)}`;
  const given = extraData.trim().slice(1, -1);
  const rest = {
    client_id: clientId,
    prompt_id: promptId,
    ...(front !== undefined && { front }),
    ...(number !== undefined && { number }),
    ...(partialExecutionTargets !== undefined && { partial_execution_targets: partialExecutionTargets }),
  };
  const extra_data = given.trim() === '' ? `{${mark}}` : `{${given},${mark}}`;
  return `{"prompt":${workflow},"extra_data":${extra_data},${JSON.stringify(rest).slice(1)}`;
}
