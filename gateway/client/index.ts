export { betweenStates } from './between-states';
export { jobstream, type Jobstream } from './jobstream';
export { JobstreamError, type JobstreamErrorCode } from './jobstream-error';
export type { Connection, LinkOptions as JobstreamOptions, Status, Token } from './link';
export type { Preview } from './rooms/room';
export type { PublicJob as JobState } from '../wire/public-job';
export type {
  Ack,
  ClientEvents,
  Done,
  LiveJobs,
  PreviewHead,
  Refusal,
  RefusalCode,
  Reply,
  ServerEvents,
  WatchReply,
} from '../wire/protocol';
export { isSettled } from '../../streams/job/job-state';
