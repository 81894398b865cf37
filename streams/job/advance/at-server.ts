import { isAtServer, isCancelAsked, watched, type AtServer, type Job } from '../job';
import { cancelledFailure } from '../failures';
import type { Failure, JobOutput, JobState, Via } from '../job-state';

/** The job after proof that ComfyUI has its run; if that is the first proof, its next look is at `nextLookAt`. */
export const atServer = (job: Job, nextLookAt: number): Job<AtServer> =>
  isAtServer(job) ? job : { ...job, stage: watched(nextLookAt, isCancelAsked(job)) };

/** How the next news of a job comes: over its session's socket if that is open, else by the next look. */
export const nextVia = ({ linked }: Job): Via => (linked ? 'websocket' : 'polling');

/** The state with the earliest time known at which its run began; not before `startedAt`, as clocks differ. */
export function begun(state: JobState, at: number): JobState {
  const executionStartedAt = Math.max(state.startedAt, Math.min(at, state.executionStartedAt ?? at));
  return executionStartedAt === state.executionStartedAt ? state : { ...state, executionStartedAt };
}

export const running = (state: JobState): JobState =>
  state.status === 'processing' && state.queuePosition === undefined ? state : begins(state);

/**
 * Without `queuePosition`. A rest spread costs as much as 30 copies, so it is used only where the state has that field.
 */
const begins = ({ queuePosition: _, ...state }: JobState): JobState => ({ ...state, status: 'processing' });

/** The failure of a run; an interrupt after a cancel counts as cancelled. */
export const asAsked = (job: Job, failure: Failure): Failure =>
  isCancelAsked(job) && failure.kind === 'interrupted' ? { ...failure, ...cancelledFailure } : failure;

/** The outputs that frames told of, and the pictures that came over the socket. */
export const heardOutputs = (job: Job<AtServer>): readonly JobOutput[] =>
  withPictures(
    job,
    [...job.stage.outputs.entries()].flatMap(([, outputs]) => outputs),
  );

/** These outputs with the pictures that came over the socket. */
export const withPictures = (job: Job, outputs: readonly JobOutput[]): readonly JobOutput[] =>
  isAtServer(job) && job.stage.pictures.length > 0 ? outputs.concat(job.stage.pictures) : outputs;
