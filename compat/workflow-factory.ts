import type { ComfyUIWorkflow } from './comfyui-pod-client';

/** The parameters that a workflow is built from. */
export interface WorkflowParameters {
  prompt: string;
  negativePrompt: string;
  width: number;
  height: number;
  steps?: number | undefined;
  cfg?: number | undefined;
  seed: number;
  filenamePrefix: string;
}

/** The application's own workflows. */
export interface WorkflowFactory<Id extends string = string> {
  /** The workflow of that id with these parameters, in API format. */
  buildWorkflow(id: Id, parameters: WorkflowParameters): ComfyUIWorkflow;
  /** The id of the workflow that suits a server with these node types. */
  getRecommendedWorkflow(availableNodes: string[]): Id;
}

/** A base image as the application asks for it. */
export interface BaseImageInput<Id extends string = string> {
  prompt: string;
  negativePrompt?: string | undefined;
  nsfw: boolean;
  seed?: number | undefined;
  width?: number | undefined;
  height?: number | undefined;
  steps?: number | undefined;
  cfg?: number | undefined;
  workflowId?: Id | undefined;
}

const UNWANTED = 'deformed, blurry, bad anatomy, ugly, low quality';
const UNWANTED_UNLESS_NSFW = `${UNWANTED}, nsfw, nude, naked`;

/** The parameters of a base image, with defaults for those that the application did not give. */
export function parametersOf(input: BaseImageInput): WorkflowParameters {
  const { prompt, nsfw, width = 1024, height = 1024, steps, cfg } = input;
  return {
    prompt,
    width,
    height,
    steps,
    cfg,
    negativePrompt: input.negativePrompt ?? (nsfw ? UNWANTED : UNWANTED_UNLESS_NSFW),
    seed: input.seed ?? Math.floor(Math.random() * 1_000_000),
    filenamePrefix: 'ryla_gen',
  };
}

/** A prompt of the application's library. */
export interface BuiltPrompt {
  prompt: string;
  negativePrompt: string;
  recommended: { workflow: string };
}
