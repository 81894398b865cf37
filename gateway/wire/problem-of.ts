import {
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
} from '../../pipeline/api';
import { StoreUnavailable } from '../../sinks/job-store';
import { KeysUnavailable } from '../admission/auth/jwks';
import { TokenRefused } from '../admission/auth/token-refused';
import { Problem, unknownJob } from './problem';

/** The answer to an error. One of an unknown class becomes `internal`, which tells the caller nothing. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (error instanceof UnknownJob) return unknownJob();
  if (error instanceof UnknownServer) return unknownServer();
  if (error instanceof InvalidRequest)
    return new Problem('bad-request', { errors: [{ field: error.field, message: error.objection }] });
  if (error instanceof InputRefused)
    return new Problem('input-refused', { detail: `It answered with status ${error.status}.` });
  if (error instanceof KeyReused) return new Problem('key-reused', { detail: 'Take another key for another request.' });
  if (error instanceof NotReported)
    return new Problem('not-reported', { detail: 'ComfyUI runs it, and nobody may report of it.' });
  if (error instanceof KeySpent)
    return new Problem('key-spent', { detail: 'Its job is forgotten, and is not run again. Take another key.' });
  if (error instanceof TooManyJobs)
    return new Problem(
      'too-much-under-way',
      { detail: `You may have ${error.most} ${error.bound}: wait until some have ended.` },
      RETRY_SOON,
    );
  if (error instanceof PipelineClosed) return new Problem('closing', { detail: 'Try again later.' }, RETRY_SOON);
  if (error instanceof NoAnswer) return new Problem('no-answer', { detail: 'Try again later.' }, RETRY_SOON);
  if (error instanceof StoreUnavailable)
    return new Problem('store-unavailable', { detail: 'Try again later.' }, RETRY_SOON);
  if (error instanceof TokenRefused) return unauthorized(error);
  if (error instanceof KeysUnavailable)
    return new Problem('keys-unavailable', { detail: 'Try again later.' }, RETRY_SOON);
  return ofExpress(error) ?? new Problem('internal');
};

/**
 * 401 with `WWW-Authenticate` as in RFC 6750: the bare scheme where no token was sent, else why the token was refused.
 */
export const unauthorized = (refusal?: TokenRefused): Problem =>
  refusal === undefined
    ? new Problem(
        'unauthorized',
        { detail: 'Send Authorization: Bearer and a valid token.' },
        { 'WWW-Authenticate': 'Bearer' },
      )
    : new Problem(
        'unauthorized',
        { detail: refusal.message },
        { 'WWW-Authenticate': `Bearer error="invalid_token", error_description="${plain(refusal.message)}"` },
      );

/**
 * Replaces the characters that an `error_description` may not hold (RFC 6750, 3). An application's own message may have
 * them: at some Node throws, at others a parser stops.
 */
const plain = (words: string): string => words.replaceAll('’', "'").replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]+/g, '?');

const RETRY_SOON = { 'Retry-After': '5' };

const unknownServer = (): Problem => {
  const message = 'must be the name of one of this gateway’s servers; services may give its URL';
  return new Problem('bad-request', { detail: `server ${message}.`, errors: [{ field: 'server', message }] });
};

/** The problem for an error that Express throws for a bad request, such as a path that is not UTF-8. */
const ofExpress = (error: unknown): Problem | undefined => {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof URIError) return new Problem('not-found');
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  return expose === true && typeof status === 'number' && status >= 400 && status < 500
    ? new Problem('bad-request', { detail: 'The request could not be read.' })
    : undefined;
};
