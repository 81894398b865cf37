import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { SubmitOnce } from '../../../pipeline/api';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';

/** Visible ASCII without spaces: HTTP joins several keys with a comma and a space, which does not match. */
export const IDEMPOTENCY_KEY = /^[!-~]{1,255}$/;

/**
 * What makes a submission safe to repeat; `undefined` without an `Idempotency-Key`. Throws a `Problem` for a bad key.
 */
export function onceOf(headers: IncomingHttpHeaders, viewer: Viewer, bodyDigest: string): SubmitOnce | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)) {
    const message = 'must be given once, as 1 to 255 visible ASCII characters';
    throw new Problem('bad-request', {
      detail: `The Idempotency-Key ${message}.`,
      errors: [{ field: 'Idempotency-Key', message }],
    });
  }
  // The digest covers the caller, so that equal keys of two callers differ; the store gets no key in plain text.
  return { key: digestOf(JSON.stringify([viewer.role, viewer.userId, key])), body: bodyDigest };
}

const digestOf = (content: string): string => createHash('sha256').update(content).digest('base64url');
