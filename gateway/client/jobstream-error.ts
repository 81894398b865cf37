import type { RefusalCode } from '../wire/protocol';

/**
 * Why watching ended before the job did, or why there is no connection. `unknown-job`: there is no such job, or none
 * that this token may see. `gone`: the job was there before, and is no more. `unauthorized`: the gateway does not take
 * the token. `too-many-jobs`: a socket may follow 64. `closed`: by `close()`. `unreachable`: nothing answers at the
 * URL. `origin-refused`: the gateway takes no calls of this page. `no-websocket`: it answers, but no socket opens.
 * `no-gateway`: something else answers. `no-token`: the token function failed. `bad-url`: the URL is none.
 * `bad-option`: there is no such option.
 */
export type JobstreamErrorCode =
  | RefusalCode
  | 'gone'
  | 'unauthorized'
  | 'closed'
  | 'unreachable'
  | 'origin-refused'
  | 'no-websocket'
  | 'no-gateway'
  | 'no-token'
  | 'bad-url'
  | 'bad-option';

/** The only error of a `Jobstream`'s observables and promises. Failures that may pass are retried instead. */
export class JobstreamError extends Error {
  override readonly name = 'JobstreamError';
  constructor(
    readonly code: JobstreamErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}
