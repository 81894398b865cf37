import type { Failure } from './job-state';

/** The ends of a job that are told in our words; those that ComfyUI words are read where its answers are. */

export const cancelledFailure: Failure = { kind: 'cancelled', message: 'Cancelled on request.', retryable: false };

/** A mistake of this program while it followed the job. */
export const internalError: Failure = {
  kind: 'internal_error',
  message: 'This job could not be followed because of a mistake in this program, which was reported.',
  retryable: false,
};

export const timedOut: Failure = {
  kind: 'timed_out',
  message: 'The job did not end within the time it was given, and was stopped.',
  retryable: true,
};

/** A job that reports itself, and did not for so long. */
export const silentTooLong = (silentMs: number): Failure => ({
  kind: 'timed_out',
  message: `The program that runs this job was not heard of for ${Math.round(silentMs / 100) / 10} s, and was given up.`,
  retryable: true,
});

/** Cancelled while it waited: no node of it ever ran. */
export const cancelledBeforeRun: Failure = {
  kind: 'cancelled',
  message: 'Cancelled on request, before it ran.',
  retryable: false,
};

export const lost: Failure = {
  kind: 'lost',
  message: 'The server no longer knows this job: it was removed from the queue, or the server restarted.',
  retryable: true,
};

export const missingOutput: Failure = {
  kind: 'missing_output',
  message: 'The server reported success, but its history does not hold the outputs.',
  retryable: true,
};

export const unreadableOutput: Failure = {
  kind: 'missing_output',
  message: 'The server reported success, but its answer about the outputs cannot be read.',
  retryable: false,
};

/** The server answers, and what it says of this job cannot be read, again and again. */
export const unreadableAnswer: Failure = {
  // Not `lost`: it may have run, and is not to be run again by itself.
  kind: 'missing_output',
  message: 'The server answers, but its answer about this job cannot be read.',
  retryable: false,
};

/** The server says that it failed, and nothing else. */
export const unexplained: Failure = {
  kind: 'node_error',
  message: 'The server reports a failure without saying why.',
  retryable: false,
};

/** No answer to a post, for so long that it was given up. `why` is a clause of its own. */
export const unreachable = (why: string): Failure => ({
  kind: 'unreachable',
  message: `The server did not take the workflow: ${why}.`,
  retryable: true,
});
