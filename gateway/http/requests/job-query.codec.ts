import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import { isCursor, STANDINGS, type JobQuery } from '../../../sinks/listing/job-page';
import type { JobStanding } from '../../../streams/job/job-state';
import { checked, optional, type FieldError } from '../../wire/described.codec';
import { decodedFields } from './fields/decoded-fields.codec';
import { givenOnce } from './fields/given-once.codec';

const DEFAULT_LIMIT = 50;
const MOST = 200;

const Standings = checked<readonly JobStanding[]>(
  'Standings',
  (value) => {
    const asked = typeof value === 'string' ? value.split(',') : [];
    const known = STANDINGS.filter((standing) => asked.includes(standing));
    return asked.length > 0 && asked.every((standing) => STANDINGS.some((each) => each === standing))
      ? E.right(known)
      : E.left(`must be one of ${STANDINGS.join(', ')}, or several with commas between`);
  },
  { type: 'string', pattern: `^(${STANDINGS.join('|')})(,(${STANDINGS.join('|')}))*$`, example: 'queued,processing' },
);

const Time = checked(
  'Time',
  (value) =>
    typeof value === 'string' && /^\d{1,15}$/.test(value)
      ? E.right(Number(value))
      : E.left('must be a time in milliseconds since 1970'),
  { type: 'integer', minimum: 0, description: 'Milliseconds since 1970.' },
);

const Limit = checked(
  'Limit',
  (value) =>
    typeof value === 'string' && /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST
      ? E.right(Number(value))
      : E.left(`must be a whole number from 1 to ${MOST}`),
  { type: 'integer', minimum: 1, maximum: MOST, default: DEFAULT_LIMIT },
);

const GivenOnce = givenOnce(500);

const Cursor = checked(
  'Cursor',
  (value) => (typeof value === 'string' && isCursor(value) ? E.right(value) : E.left('must be one that a page gave')),
  { type: 'string', description: 'From the page before.' },
);

/** The parameters of `GET /jobs`. */
export const Query = t.type({
  status: optional(Standings),
  type: optional(GivenOnce),
  userId: optional(GivenOnce),
  characterId: optional(GivenOnce),
  text: optional(GivenOnce),
  since: optional(Time),
  until: optional(Time),
  limit: optional(Limit),
  cursor: optional(Cursor),
});

/** Decodes the query of `GET /jobs`. */
export const jobQuery = (query: unknown): E.Either<readonly FieldError[], JobQuery> =>
  pipe(
    decodedFields(Query, query),
    E.map((query) => ({ limit: DEFAULT_LIMIT, ...query })),
  );
