import type { RefusalCode } from '../wire/protocol';

/**
 * Why watching ended before the job did.
 * `unknown-job`: there is no such job, or none that this token may see. `gone`: it was there, and is no more.
 * `unauthorized`: the gateway does not take the token. `too-many-jobs`: a socket may follow 64. `closed`: by `close()`.
 */
export type JobstreamErrorCode = RefusalCode | 'gone' | 'unauthorized' | 'closed';

/** The error of every observable of a `Jobstream`. What passes by itself is tried again instead. */
export class JobstreamError extends Error {
  override readonly name = 'JobstreamError';
  constructor(
    readonly code: JobstreamErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
