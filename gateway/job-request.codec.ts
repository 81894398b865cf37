import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { JobRequest, SubmitRequest } from '../pipeline-api';
import { checked, decoded, optional, type FieldError } from './fields.codec';
import { WorkflowFromJson } from './workflow.codec';

/** A job's metadata goes out with each of its states, so it must stay small. */
const METADATA_LIMIT = 16_384;
const MOST_ATTEMPTS = 10;

const Text = (limit: number) =>
  checked('Text', (value) =>
    typeof value === 'string' && value !== '' && value.length <= limit && !/\p{Cc}/u.test(value)
      ? E.right(value)
      : E.left(`must be text of 1 to ${limit} characters`),
  );

const Metadata = checked('Metadata', (value) => {
  if (!t.UnknownRecord.is(value) || Array.isArray(value)) return E.left('must be an object');
  return JSON.stringify(value).length > METADATA_LIMIT
    ? E.left(`must be under ${METADATA_LIMIT} characters of JSON`)
    : E.right(value);
});

const OnLost = checked('OnLost', (value) =>
  value === 'resubmit' ? E.right('resubmit' as const) : E.left("must be 'resubmit', or absent"),
);

const Attempts = checked('Attempts', (value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_ATTEMPTS
    ? E.right(value)
    : E.left(`must be a whole number from 1 to ${MOST_ATTEMPTS}`),
);

const request = {
  type: Text(100),
  userId: Text(200),
  characterId: optional(Text(200)),
  metadata: optional(Metadata),
  server: optional(Text(2000)),
};
const Track = t.type(request);
const Submit = t.type({
  ...request,
  workflow: WorkflowFromJson,
  onLost: optional(OnLost),
  maxAttempts: optional(Attempts),
});

/** The body of `PUT /jobs/:promptId`. */
export const trackRequest = (body: unknown): E.Either<readonly FieldError[], JobRequest> =>
  pipe(decodedBody(Track, body), E.map(present));

/** The body of `POST /jobs`. */
export const submitRequest = (body: unknown): E.Either<readonly FieldError[], SubmitRequest> =>
  pipe(
    decodedBody(Submit, body),
    E.map(({ workflow, onLost, maxAttempts, ...fields }) => ({
      ...present(fields),
      workflow,
      ...(onLost && { onLost }),
      ...(maxAttempts !== undefined && { maxAttempts }),
    })),
  );

const decodedBody = <A>(codec: t.Type<A, unknown>, body: unknown): E.Either<readonly FieldError[], A> =>
  pipe(
    decoded(codec, body),
    E.mapLeft((errors) => errors.map(({ field, message }) => ({ field: field === '' ? 'body' : field, message }))),
  );

const present = ({ type, userId, characterId, metadata, server }: t.TypeOf<typeof Track>): JobRequest => ({
  type,
  userId,
  ...(characterId !== undefined && { characterId }),
  ...(metadata && { metadata }),
  ...(server !== undefined && { server }),
});
