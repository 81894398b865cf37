export { createPipeline, type PipelineOptions } from './pipeline/instance/create-pipeline';
export {
  InputRefused,
  InvalidRequest,
  KeyReused,
  KeySpent,
  NoAnswer,
  NotReported,
  PipelineClosed,
  TooManyJobs,
  UnknownJob,
  UnknownServer,
  type Curves,
  type InputUpload,
  type JobPage,
  type JobReport,
  type JobRequest,
  type ListQuery,
  type OpenRequest,
  type OutputBody,
  type Pipeline,
  type Preview,
  type ServerStatus,
  type SubmitOnce,
  type SubmitRequest,
  type UploadedInput,
  type Workflow,
} from './pipeline/api';
export { JobBroke, RefusedRunId } from './streams/board/board-event';
export type {
  Backlog,
  CallOutcome,
  InstanceEvent,
  PipelineView,
  ServerEvent,
  StoreEvent,
  Telemetry,
  TelemetryEvent,
} from './pipeline/telemetry/telemetry-event';
export type { AskedRequest } from './sources/telemetry/asked-requests';
export type { SocketEnd } from './sources/telemetry/socket-listener';
export type { Report } from './streams/operators/reporting';
export type { CurvePoint } from './streams/reports/curves';
export { REPORTED_URL, type Metrics, type ReportedFailure, type Reporting } from './streams/reports/job-report';
export type { Timing } from './streams/job/timing';
export type { ServerOptions } from './sources/server-address';
export type { InputFile, StoredInput } from './sources/files/upload';
export type { SocketTiming } from './sources/session';
export type { LeaseOutcome, Leases, SessionJobRequest, SessionRequest, SessionKey } from './sinks/leases';
export type { StoredWorkflow } from './sinks/codecs/stored-workflow.codec';
export type { Hook, Hooks } from './sinks/webhook-queue';
export { embeddedStore } from './sinks/embedded/embedded-store';
export {
  StoreUnavailable,
  UnreadableState,
  UnsuitableStore,
  Unstorable,
  type JobStore,
  type PutOutcome,
  type StoredFile,
  type Usage,
} from './sinks/job-store';
export { InvalidCursor, type JobFilter, type JobQuery, type JobTotals } from './sinks/listing/job-page';
export type { EmbeddedStoreOptions } from './sinks/embedded/embedded-store';
export type { RedisStoreOptions } from './sinks/redis/redis-store';
export { InvalidRedisUrl } from './sinks/redis/connection/url';
export { redisStore } from './sinks/redis/redis-store';
export {
  isFile,
  isSettled,
  type CurrentNode,
  type Failure,
  type FailureKind,
  type FileOutput,
  type JobOutput,
  type JobPhase,
  type JobState,
  type JobStanding,
  type JobStatus,
  type JobType,
  type NodeError,
  type RetryPolicy,
  type TextOutput,
  type Via,
} from './streams/job/job-state';
export type { UserLimits } from './pipeline/submit/user-limits';
export type { Prompt, WorkflowNode } from './streams/job/workflow';
export type { LearnedEntry } from './streams/job/progress/learned/learned';
