import { isAtServer, isCancelAsked, watched, type AtServer, type Job } from '../job';
import { cancelledFailure } from '../failures';
import type { Failure, JobOutput, JobState, Via } from '../job-state';
import type { Timing } from '../timing';

/** The job, of whose run something says that ComfyUI has it; it is looked up at `nextLookAt` where nothing said so before. */
export const atServer = (job: Job, nextLookAt: number): Job<AtServer> =>
  isAtServer(job) ? job : { ...job, stage: watched(nextLookAt, isCancelAsked(job)) };

/** How long after a sign of life a job is looked up, in ms: the slow audit while its socket is open, else the poll (R8). */
export const usualMs = ({ linked }: Job, { auditMs, pollMs }: Timing): number => (linked ? auditMs : pollMs);

/** How the next news of a job comes: over its session's socket where that is open, else by the next look. */
export const nextVia = ({ linked }: Job): Via => (linked ? 'websocket' : 'polling');

/** When the run began, as the earliest says that tells of it. ComfyUI's clock may differ from ours. */
export function begun(state: JobState, at: number): JobState {
  const executionStartedAt = Math.max(state.startedAt, Math.min(at, state.executionStartedAt ?? at));
  return executionStartedAt === state.executionStartedAt ? state : { ...state, executionStartedAt };
}

export const running = (state: JobState): JobState =>
  state.status === 'processing' && state.queuePosition === undefined ? state : begins(state);

/** To leave its place in the queue out costs as much as thirty copies: a job that runs already has none. */
const begins = ({ queuePosition: _, ...state }: JobState): JobState => ({ ...state, status: 'processing' });

/** An interrupt that we asked for is a cancel. */
export const asAsked = (job: Job, failure: Failure): Failure =>
  isCancelAsked(job) && failure.kind === 'interrupted' ? { ...failure, ...cancelledFailure } : failure;

/** What frames told of: files and texts, and the pictures that no history has. */
export const heardOutputs = (job: Job<AtServer>): readonly JobOutput[] =>
  withPictures(
    job,
    [...job.stage.outputs.entries()].flatMap(([, outputs]) => outputs),
  );

/** These outputs, and the pictures that came over the socket. */
export const withPictures = (job: Job, outputs: readonly JobOutput[]): readonly JobOutput[] =>
  isAtServer(job) && job.stage.pictures.length > 0 ? outputs.concat(job.stage.pictures) : outputs;
