export { ComfyUIErrorHandlerService, type ComfyUIErrorHandlerConfig } from './comfyui-error-handler.service';
export {
  ComfyUIJobPersistenceService,
  createComfyUIJobPersistenceService,
  type ComfyUIJobPersistenceConfig,
  type JobState,
  type RedisClient,
} from './comfyui-job-persistence.service';
export { ComfyUIJobRunner, createComfyUIJobRunner, type ComfyUIJobRunnerConfig } from './comfyui-job-runner';
export {
  ComfyUIPodClient,
  createComfyUIPodClient,
  type ComfyUIPodConfig,
  type ComfyUIWorkflow,
} from './comfyui-pod-client';
export { ComfyUIWebSocketClient, type ComfyUIWebSocketConfig } from './comfyui-websocket-client';
export { ErrorCategory, type FallbackStrategy, type RetryState } from './error-category';
export type { ComfyUIJobResult } from './jobs/job-result';
export type { Models } from './jobs/pod-rest';
export type { BaseImageInput, BuiltPrompt, WorkflowFactory, WorkflowParameters } from './workflow-factory';
export type { RunPodJobStatus } from './jobs/job-status';
