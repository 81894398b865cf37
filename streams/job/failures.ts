import type { Failure } from './job-state';

/** The failures that this program words itself; those in ComfyUI's words come from `sources/codecs/`. */

export const cancelledFailure: Failure = { kind: 'cancelled', message: 'Cancelled on request.', retryable: false };

/** A bug of this program while it followed the job. */
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

/** No report of a reported job came for `silentMs`. */
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

/** Three times over ten seconds the server's answer about this job could not be read. */
export const unreadableAnswer: Failure = {
  // Not `lost`, which `onLost` would run again: it may have run.
  kind: 'missing_output',
  message: 'The server answers, but its answer about this job cannot be read.',
  retryable: false,
};

/** The server says that the job failed, and nothing else. */
export const unexplained: Failure = {
  kind: 'node_error',
  message: 'The server reports a failure without saying why.',
  retryable: false,
};

/** The job's server was taken out of the settings of all instances. */
export const serverRemoved: Failure = {
  kind: 'unreachable',
  message: 'The server that had the job is not in the settings any more.',
  retryable: true,
};

/** Posting was given up, as the server did not answer (`giveUpMs`). `why` is a clause of its own. */
export const unreachable = (why: string): Failure => ({
  kind: 'unreachable',
  message: `The server did not take the workflow: ${why}.`,
  retryable: true,
});
