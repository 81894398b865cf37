export { createPipeline, type PipelineOptions } from './pipeline/create-pipeline';
export {
  InputRefused,
  KeyReused,
  KeySpent,
  NoAnswer,
  UnknownJob,
  UnknownServer,
  type InputUpload,
  type JobPage,
  type JobRequest,
  type ListQuery,
  type OutputBody,
  type Pipeline,
  type Preview,
  type ServerStatus,
  type SubmitOnce,
  type SubmitRequest,
  type UploadedInput,
  type Workflow,
} from './pipeline/api';
export { embeddedStore } from './sinks/embedded/embedded-store';
export { StoreUnavailable, UnreadableState, UnsuitableStore, type JobFilter, type JobStore } from './sinks/job-store';
export { redisStore } from './sinks/redis/redis-store';
export {
  isSettled,
  type CurrentNode,
  type Failure,
  type FailureKind,
  type JobOutput,
  type JobPhase,
  type JobState,
  type JobStatus,
  type JobType,
  type NodeError,
  type Via,
} from './streams/job/job-state';
