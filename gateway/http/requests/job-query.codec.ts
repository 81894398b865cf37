import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { JobFilter } from '../../../sinks/job-page';
import type { JobStatus } from '../../../streams/job/job-state';
import { checked, decoded, optional, type FieldError } from '../../wire/described.codec';

export type JobQuery = JobFilter & { readonly limit: number; readonly cursor?: string };

const STATUSES: readonly JobStatus[] = ['queued', 'processing', 'completed', 'failed'];
const DEFAULT_LIMIT = 50;
const MOST = 200;

const Status = checked(
  'Status',
  (value) => E.fromNullable(`must be one of ${STATUSES.join(', ')}`)(STATUSES.find((status) => status === value)),
  { type: 'string', enum: STATUSES },
);

const Limit = checked(
  'Limit',
  (value) =>
    typeof value === 'string' && /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST
      ? E.right(Number(value))
      : E.left(`must be a whole number from 1 to ${MOST}`),
  { type: 'integer', minimum: 1, maximum: MOST, default: DEFAULT_LIMIT },
);

const LONGEST = 500;
const Once = checked(
  'Once',
  (value) =>
    typeof value === 'string' && value !== '' && value.length <= LONGEST
      ? E.right(value)
      : E.left('must be given once, and not empty'),
  { type: 'string', minLength: 1, maxLength: LONGEST },
);

/** What may be asked of a list of jobs. */
export const Query = t.type({
  status: optional(Status),
  type: optional(Once),
  userId: optional(Once),
  limit: optional(Limit),
  cursor: optional(Once),
});

/** The query of `GET /jobs`. */
export const jobQuery = (query: unknown): E.Either<readonly FieldError[], JobQuery> =>
  pipe(
    decoded(Query, query),
    E.map(({ status, type, userId, limit, cursor }) => ({
      ...(status && { status: [status] }),
      ...(type !== undefined && { type }),
      ...(userId !== undefined && { userId }),
      limit: limit ?? DEFAULT_LIMIT,
      ...(cursor !== undefined && { cursor }),
    })),
  );
