import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import * as t from 'io-ts';
import type { JobRequest, OpenRequest, SubmitRequest } from '../../../pipeline/api';
import { bounds } from '../../../streams/bounds';
import { submission } from '../../../pipeline/submit/field-rules';
import { isRecord } from '../../../streams/options';
import { isWithin } from '../../../streams/workflow/shown-text';
import { checked, optional, ruled, type FieldError, type JsonSchema } from '../../wire/described.codec';
import { decodedBody } from './decoded-body.codec';
import { Reported } from './report-request.codec';
import { WorkflowFromJson } from './workflow.codec';

const MOST_URL = 2000;

/** A field of a submission. `pipeline/submit/field-rules` checks it, as in-process; the schema here only describes it. */
const field = <F extends keyof SubmitRequest>(name: F, schema: JsonSchema) =>
  ruled<NonNullable<SubmitRequest[F]>>(name, submission[name], schema);

const text = (maxLength: number, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  minLength: 1,
  maxLength,
  pattern: '^[^\\p{Cc}\\p{Cs}]*$',
  ...more,
});

const timeoutMs = field('timeoutMs', {
  type: 'integer',
  minimum: 1,
  maximum: bounds.timeoutMs,
  description: 'A job that takes longer is stopped, and fails as `timed_out`.',
});

const request = {
  type: field('type', text(bounds.typeLength, { examples: ['image_generation'] })),
  userId: optional(
    field(
      'userId',
      text(bounds.userIdLength, {
        description: 'Whose job it is. A user’s token says so itself; others must.',
        examples: ['ada'],
      }),
    ),
  ),
  characterId: optional(field('characterId', text(bounds.characterIdLength))),
  metadata: optional(
    field('metadata', {
      type: 'object',
      additionalProperties: true,
      description: `The application’s own, kept with the job untouched; at most ${bounds.metadataBytes} bytes of JSON in UTF-8.`,
      examples: [{ order: 7 }],
    }),
  ),
  server: optional(
    field(
      'server',
      text(bounds.serverLength, {
        description: 'Which ComfyUI is to run it: where its inputs were uploaded to, say.',
      }),
    ),
  ),
};

/** A webhook's URL. Which addresses it may lead to is checked by `gateway/webhooks`. */
const WebhookAsked = checked(
  'Webhook',
  (value) => {
    const { url, ...others } = isRecord(value) ? value : {};
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
  extraData: optional(
    ruled<Readonly<Record<string, unknown>>>(
      'extraData',
      (value) => (isRecord(value) ? undefined : 'must be an object'),
      {
        type: 'object',
        additionalProperties: true,
        description:
          'ComfyUI’s `extra_data`, such as the keys of paid API nodes. A secret: no answer, state or log holds it.',
      },
    ),
  ),
  front: optional(field('front', { type: 'boolean', description: 'Before all jobs that wait at its server.' })),
  number: optional(
    field('number', {
      type: 'number',
      description: 'The place in ComfyUI’s queue, lower first; where absent ComfyUI counts up.',
    }),
  ),
  partialExecutionTargets: optional(
    field('partialExecutionTargets', {
      type: 'array',
      maxItems: bounds.executionTargets,
      items: { type: 'string', maxLength: bounds.nodeIdLength },
      description: 'The output nodes to be run; where absent all are.',
    }),
  ),
  timeoutMs: optional(timeoutMs),
  onLost: optional(field('onLost', { type: 'string', enum: ['resubmit'] })),
  maxAttempts: optional(field('maxAttempts', { type: 'integer', minimum: 1, maximum: bounds.attempts })),
  webhook: optional(WebhookAsked),
});

/** A job that reports itself. */
export const Open = t.type({
  type: request.type,
  userId: request.userId,
  characterId: request.characterId,
  metadata: request.metadata,
  reported: Reported,
  timeoutMs: optional(timeoutMs),
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
  isRecord(body) && Object.hasOwn(body, 'reported') ? openRequest(body) : workflowRequest(body, textOf);

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
