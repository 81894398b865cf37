import { KeyReused, KeySpent, NoAnswer, UnknownJob, UnknownServer } from '../../pipeline/api';
import { StoreUnavailable } from '../../sinks/job-store';
import { KeysUnavailable } from '../admission/jwks';
import { TokenRefused } from '../admission/token-refused';
import { Problem, unknownJob } from './problem';

/** The answer to an error, whoever threw it. What is not known by name is `internal`, and tells the caller nothing. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (error instanceof UnknownJob) return unknownJob();
  if (error instanceof UnknownServer) return unknownServer();
  if (error instanceof KeyReused) return new Problem('key-reused', { detail: 'Take another key for another request.' });
  if (error instanceof KeySpent)
    return new Problem('key-spent', { detail: 'Its job is forgotten, and is not run again. Take another key.' });
  if (error instanceof NoAnswer) return new Problem('no-answer', { detail: 'Try again later.' }, RETRY_SOON);
  if (error instanceof StoreUnavailable)
    return new Problem('store-unavailable', { detail: 'Try again later.' }, RETRY_SOON);
  if (error instanceof TokenRefused) return unauthorized(error);
  if (error instanceof KeysUnavailable)
    return new Problem('keys-unavailable', { detail: 'Try again later.' }, RETRY_SOON);
  return ofBody(error) ?? new Problem('internal');
};

/** As RFC 6750 has it: without a token nothing but the scheme, else why it was refused. */
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
        // A header takes no typographic quotes.
        {
          'WWW-Authenticate': `Bearer error="invalid_token", error_description="${refusal.message.replaceAll('’', "'")}"`,
        },
      );

const RETRY_SOON = { 'Retry-After': '5' };

const unknownServer = (): Problem =>
  new Problem('bad-request', {
    errors: [
      { field: 'server', message: 'must be the name of one of this gateway’s servers; services may give its URL' },
    ],
  });

/** What express and its body parser throw: http-errors with a `type`. */
const ofBody = (error: unknown): Problem | undefined => {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof URIError) return new Problem('not-found');
  switch ((error as { type?: unknown }).type) {
    case 'entity.parse.failed':
      return new Problem('malformed-json', { detail: 'The body could not be parsed as JSON.' });
    case 'entity.too.large':
      return new Problem('body-too-large', { detail: 'A request may have 10 MiB.' });
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new Problem('unsupported-media-type', {
        detail: 'Send UTF-8, plain or compressed with gzip, deflate or br.',
      });
    case 'request.aborted':
    case 'request.size.invalid':
      return new Problem('bad-request', { detail: 'The body ended early.' });
    default:
      return isRefusal(error) ? new Problem('bad-request', { detail: 'The body could not be read.' }) : undefined;
  }
};

/** What http-errors made for the client's fault, such as a body that is not compressed as it says. */
const isRefusal = (error: Error): boolean => {
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  return expose === true && typeof status === 'number' && status >= 400 && status < 500;
};
