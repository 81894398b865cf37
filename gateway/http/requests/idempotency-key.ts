import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { SubmitOnce } from '../../../pipeline/api';
import type { Viewer } from '../../admission/auth/auth';
import { Problem } from '../../wire/problem';

/** Visible ASCII without spaces: a list of keys, which is how HTTP joins several, is none. */
export const IDEMPOTENCY_KEY = /^[!-~]{1,255}$/;

/** What makes the request one that may be repeated, if it asks for that. Throws a `Problem` for a key that is none. */
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
  // Whose key it is goes in, so that no caller meets another's; and nothing that one must not see reaches the store.
  return { key: digestOf(JSON.stringify([viewer.role, viewer.userId, key])), body: bodyDigest };
}

const digestOf = (content: string): string => createHash('sha256').update(content).digest('base64url');
