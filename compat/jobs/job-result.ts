import type { JobOutput, JobState, Pipeline } from '../../index';

/** How a job stands, or what it made. */
export interface ComfyUIJobResult {
  promptId: string;
  status: 'queued' | 'processing' | 'completed' | 'failed';
  /** All images of all output nodes, as data URLs. */
  images?: string[];
  error?: string;
}

/** ComfyUI says that a file of a finished job is not there: no other attempt finds it. */
export class MissingFile extends Error {
  override readonly name = 'MissingFile';
}

/** ComfyUI's keys for pictures, moving ones included. */
const PICTURES = ['images', 'gifs'];

const isPicture = (output: JobOutput): boolean => 'filename' in output && PICTURES.includes(output.kind);

/** ComfyUI's id of the job, which everything needs that asks ComfyUI itself. */
export const comfyUIIdOf = ({ runId, promptId }: JobState): string => runId ?? promptId;

/** A state as the application reads it, without images. */
export function briefly(state: JobState, promptId: string): ComfyUIJobResult {
  const { status, failure } = state;
  return failure === undefined ? { promptId, status } : { promptId, status, error: failureText(state) };
}

/**
 * A job's result, its images as data URLs. Rejects with `NoAnswer` if they cannot be had now, `MissingFile` if never.
 */
export async function resultOf(pipeline: Pipeline, state: JobState, promptId: string): Promise<ComfyUIJobResult> {
  if (state.status !== 'completed') return briefly(state, promptId);
  const images = await imagesOf(pipeline, state);
  if (images.length > 0) return { promptId, status: 'completed', images };
  return { promptId, status: 'failed', error: 'Workflow completed but produced no images' };
}

async function imagesOf(pipeline: Pipeline, { promptId, outputs = [] }: JobState): Promise<string[]> {
  const images: string[] = [];
  for (const [n, output] of outputs.entries()) {
    if (!isPicture(output)) continue;
    const file = await pipeline.output(promptId, n);
    if (file === undefined) throw new MissingFile('ComfyUI image download error: the server has no such file');
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.body) chunks.push(chunk as Uint8Array);
    images.push(`data:${file.contentType};base64,${Buffer.concat(chunks).toString('base64')}`);
  }
  return images;
}

/** Why a job failed, in one line; a refusal names the nodes. */
export function failureText({ failure, nodeErrors }: JobState): string {
  if (failure === undefined) return 'Unknown error';
  // ComfyUI refuses a workflow with a 400.
  if (failure.kind === 'rejected')
    return `ComfyUI queue error: 400 - ${failure.message}${nodeErrors === undefined ? '' : ` ${JSON.stringify(nodeErrors)}`}`;
  const where = failure.nodeType ?? failure.nodeId;
  return where === undefined ? failure.message : `${where}: ${failure.message}`;
}
