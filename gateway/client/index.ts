export { jobstream, type Jobstream, type JobstreamOptions } from './jobstream';
export { JobstreamError, type JobstreamErrorCode } from './jobstream-error';
export type { Connection, Status, Token } from './link';
export type { Preview } from './room';
export type { PublicJob as JobState } from '../wire/public-job';
export type { ClientEvents, LiveJobs, Reply, ServerEvents, WatchReply } from '../wire/protocol';
export { isSettled } from '../../streams/job/job-state';
