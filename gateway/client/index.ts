export { jobstream, type Jobstream, type JobstreamOptions } from './jobstream';
export { JobstreamError, type JobstreamErrorCode } from './jobstream-error';
export type { Status, Token } from './link';
export type { Preview } from './room';
export type { PublicJob as JobState } from '../public-job';
export type { ClientEvents, LiveJobs, Reply, ServerEvents, WatchReply } from '../protocol';
export { isSettled } from '../../streams/job-state';
