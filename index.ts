export { createPipeline, type PipelineOptions } from './pipeline/create-pipeline';
export {
  KeyReused,
  KeySpent,
  NoAnswer,
  UnknownJob,
  UnknownServer,
  type JobPage,
  type JobRequest,
  type ListQuery,
  type OutputBody,
  type Pipeline,
  type Preview,
  type ServerStatus,
  type SubmitOnce,
  type SubmitRequest,
  type Workflow,
} from './pipeline/api';
export { embeddedStore } from './sinks/embedded/embedded-store';
export {
  StoreUnavailable,
  UnreadableState,
  UnsuitableStore,
  type JobStore,
  type StoredFile,
  type Usage,
} from './sinks/job-store';
export { InvalidCursor, type JobFilter, type JobQuery, type JobTotals } from './sinks/job-page';
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
