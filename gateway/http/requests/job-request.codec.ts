import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { JobRequest, OpenRequest, SubmitRequest } from '../../../pipeline/api';
import { bounds } from '../../../streams/bounds';
import { checked, optional, type FieldError, type JsonSchema } from '../../wire/described.codec';
import { isPlain, isWithin } from '../../../streams/workflow/shown-text';
import { decodedBody } from './decoded-body.codec';
import { Reported } from './report-request.codec';
import { WorkflowFromJson } from './workflow.codec';

const MOST_URL = 2000;

const Text = (limit: number, more: JsonSchema = {}) =>
  checked(
    'Text',
    (value) => (isPlain(limit, value) ? E.right(value) : E.left(`must be text of 1 to ${limit} characters`)),
    { type: 'string', minLength: 1, maxLength: limit, pattern: '^[^\\p{Cc}\\p{Cs}]*$', ...more },
  );

const Metadata = checked(
  'Metadata',
  (value) => {
    if (!t.UnknownRecord.is(value) || Array.isArray(value)) return E.left('must be an object');
    const json = JSON.stringify(value);
    const bytes = Buffer.byteLength(json);
    return bytes <= bounds.metadataBytes
      ? E.right(value)
      : E.left(`has ${bytes} bytes of JSON; at most ${bounds.metadataBytes} are taken`);
  },
  {
    type: 'object',
    additionalProperties: true,
    description: `The application’s own, kept with the job untouched; at most ${bounds.metadataBytes} bytes of JSON in UTF-8.`,
    examples: [{ order: 7 }],
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
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= bounds.attempts
      ? E.right(value)
      : E.left(`must be a whole number from 1 to ${bounds.attempts}`),
  { type: 'integer', minimum: 1, maximum: bounds.attempts },
);

const ExtraData = checked(
  'ExtraData',
  (value) => (t.UnknownRecord.is(value) && !Array.isArray(value) ? E.right(value) : E.left('must be an object')),
  {
    type: 'object',
    additionalProperties: true,
    description:
      'ComfyUI’s `extra_data`, such as the keys of paid API nodes. A secret: no answer, state or log holds it.',
  },
);

const Front = checked(
  'Front',
  (value) => (typeof value === 'boolean' ? E.right(value) : E.left('must be true or false')),
  {
    type: 'boolean',
    description: 'Before all jobs that wait at its server.',
  },
);

const Place = checked(
  'Place',
  (value) => (typeof value === 'number' && Number.isFinite(value) ? E.right(value) : E.left('must be a number')),
  { type: 'number', description: 'The place in ComfyUI’s queue, lower first; where absent ComfyUI counts up.' },
);

const Targets = checked(
  'Targets',
  (value) =>
    Array.isArray(value) && value.length <= bounds.executionTargets && value.every(isNodeId)
      ? E.right(value as readonly string[])
      : E.left(`must be a list of at most ${bounds.executionTargets} ids of nodes, as texts`),
  {
    type: 'array',
    maxItems: bounds.executionTargets,
    items: { type: 'string', maxLength: bounds.nodeIdLength },
    description: 'The output nodes to be run; where absent all are.',
  },
);
const isNodeId = (value: unknown): boolean => typeof value === 'string' && isWithin(bounds.nodeIdLength, value);

const Timeout = checked(
  'Timeout',
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= bounds.timeoutMs
      ? E.right(value)
      : E.left(`must be a whole number of milliseconds from 1 to ${bounds.timeoutMs}`),
  {
    type: 'integer',
    minimum: 1,
    maximum: bounds.timeoutMs,
    description: 'A job that takes longer is stopped, and fails as `timed_out`.',
  },
);

const request = {
  type: Text(bounds.typeLength, { examples: ['image_generation'] }),
  userId: optional(
    Text(bounds.userIdLength, {
      description: 'Whose job it is. A user’s token says so itself; others must.',
      examples: ['ada'],
    }),
  ),
  characterId: optional(Text(bounds.characterIdLength)),
  metadata: optional(Metadata),
  server: optional(
    Text(bounds.serverLength, { description: 'Which ComfyUI is to run it: where its inputs were uploaded to, say.' }),
  ),
};

/** A webhook's URL. Which addresses it may lead to is checked by `gateway/webhooks`. */
const WebhookAsked = checked(
  'Webhook',
  (value) => {
    const { url, ...others } = t.UnknownRecord.is(value) ? value : {};
    return Object.keys(others).length === 0 && typeof url === 'string' && url !== '' && isWithin(MOST_URL, url)
      ? E.right({ url })
      : E.left(`must be an object with a url of at most ${MOST_URL} characters, and nothing else`);
  },
  {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
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
  extraData: optional(ExtraData),
  front: optional(Front),
  number: optional(Place),
  partialExecutionTargets: optional(Targets),
  timeoutMs: optional(Timeout),
  onLost: optional(OnLost),
  maxAttempts: optional(Attempts),
  webhook: optional(WebhookAsked),
});

/** A job that reports itself. */
export const Open = t.type({
  type: request.type,
  userId: request.userId,
  characterId: request.characterId,
  metadata: request.metadata,
  reported: Reported,
  timeoutMs: optional(Timeout),
  webhook: optional(WebhookAsked),
});

/** A request without `userId`, which the token may name instead. */
type Anybodys<R extends JobRequest> = Omit<R, 'userId'> & { readonly userId?: string };
export type TrackBody = Anybodys<JobRequest>;
export type SubmitBody = { readonly webhookUrl?: string } & (
  | { readonly tag: 'workflow'; readonly request: Anybodys<Omit<SubmitRequest, 'once'>> }
  | { readonly tag: 'reported'; readonly request: Anybodys<Omit<OpenRequest, 'once'>> }
);

/** Gives the text of a member of the body, as its sender wrote it. */
export type TextOf = (member: 'workflow' | 'extraData') => string;

/** The body of `PUT /jobs/:promptId`. */
export const trackRequest = (body: unknown): E.Either<readonly FieldError[], TrackBody> => decodedBody(Track, body);

/** The body of `POST /jobs`. `workflow` and `extraData` are kept as text, because ComfyUI gets them unchanged (R18). */
export const submitRequest = (body: unknown, textOf: TextOf): E.Either<readonly FieldError[], SubmitBody> =>
  t.UnknownRecord.is(body) && Object.hasOwn(body, 'reported') ? openRequest(body) : workflowRequest(body, textOf);

const openRequest = (body: unknown): E.Either<readonly FieldError[], SubmitBody> =>
  pipe(
    decodedBody(Open, body),
    E.map(({ webhook, ...request }) => ({
      tag: 'reported',
      request,
      ...(webhook && { webhookUrl: webhook.url }),
    })),
  );

const workflowRequest = (body: unknown, textOf: TextOf): E.Either<readonly FieldError[], SubmitBody> =>
  pipe(
    decodedBody(Submit, body),
    E.map(({ workflow, extraData, webhook, ...fields }) => ({
      tag: 'workflow',
      request: {
        ...fields,
        workflow: typeof workflow === 'string' ? workflow : textOf('workflow'),
        ...(extraData !== undefined && { extraData: textOf('extraData') }),
      },
      ...(webhook && { webhookUrl: webhook.url }),
    })),
  );
