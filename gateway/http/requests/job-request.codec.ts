import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { JobRequest, SubmitRequest } from '../../../pipeline/api';
import { checked, decoded, optional, type FieldError } from '../../wire/described.codec';
import { WorkflowFromJson } from './workflow.codec';

/** A job's metadata goes out with each of its states, so it must stay small. */
const METADATA_LIMIT = 16_384;
const MOST_ATTEMPTS = 10;
const MOST_URL = 2000;

const Text = (limit: number) =>
  checked(
    'Text',
    (value) =>
      typeof value === 'string' && value !== '' && isWithin(limit, value) && !/\p{Cc}/u.test(value)
        ? E.right(value)
        : E.left(`must be text of 1 to ${limit} characters`),
    { type: 'string', minLength: 1, maxLength: limit, pattern: '^\\P{Cc}*$' },
  );

/** Characters count as Unicode has them, as in JSON Schema; in JavaScript's `length` some count twice. */
const isWithin = (limit: number, text: string): boolean => text.length <= 2 * limit && Array.from(text).length <= limit;

const Metadata = checked(
  'Metadata',
  (value) => {
    if (!t.UnknownRecord.is(value) || Array.isArray(value)) return E.left('must be an object');
    return JSON.stringify(value).length > METADATA_LIMIT
      ? E.left(`must be under ${METADATA_LIMIT} characters of JSON`)
      : E.right(value);
  },
  {
    type: 'object',
    additionalProperties: true,
    description: `The application’s own, kept with the job untouched; at most ${METADATA_LIMIT} characters of JSON.`,
  },
);

const OnLost = checked(
  'OnLost',
  (value) => (value === 'resubmit' ? E.right('resubmit' as const) : E.left("must be 'resubmit', or absent")),
  { type: 'string', enum: ['resubmit'] },
);

const Attempts = checked(
  'Attempts',
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_ATTEMPTS
      ? E.right(value)
      : E.left(`must be a whole number from 1 to ${MOST_ATTEMPTS}`),
  { type: 'integer', minimum: 1, maximum: MOST_ATTEMPTS },
);

const request = {
  type: Text(100),
  userId: Text(200),
  characterId: optional(Text(200)),
  metadata: optional(Metadata),
  server: optional(Text(2000)),
};

/** A webhook's URL; where it may lead is not this codec's to say. */
const WebhookAsked = checked(
  'Webhook',
  (value) => {
    const url = t.UnknownRecord.is(value) ? value['url'] : undefined;
    return typeof url === 'string' && url !== '' && isWithin(MOST_URL, url)
      ? E.right({ url })
      : E.left(`must be an object with a url of at most ${MOST_URL} characters`);
  },
  {
    type: 'object',
    required: ['url'],
    properties: { url: { type: 'string', minLength: 1, maxLength: MOST_URL } },
    description: 'Is told of the settled job: the `settled` webhook of this document. An https URL.',
  },
);

/** A job that somebody else posted. */
export const Track = t.type(request);

/** A job to be run. */
export const Submit = t.type({
  ...request,
  workflow: WorkflowFromJson,
  onLost: optional(OnLost),
  maxAttempts: optional(Attempts),
  webhook: optional(WebhookAsked),
});

/** The body of `PUT /jobs/:promptId`. */
export const trackRequest = (body: unknown): E.Either<readonly FieldError[], JobRequest> =>
  pipe(decodedBody(Track, body), E.map(present));

/** The body of `POST /jobs`. */
export const submitRequest = (
  body: unknown,
): E.Either<readonly FieldError[], { readonly request: SubmitRequest; readonly webhookUrl?: string }> =>
  pipe(
    decodedBody(Submit, body),
    E.map(({ workflow, onLost, maxAttempts, webhook, ...fields }) => ({
      request: {
        ...present(fields),
        workflow,
        ...(onLost && { onLost }),
        ...(maxAttempts !== undefined && { maxAttempts }),
      },
      ...(webhook && { webhookUrl: webhook.url }),
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
