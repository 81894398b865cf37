import type * as t from 'io-ts';
import { json, operation, ref } from './operation';
import type { Described, JsonSchema } from '../../wire/described.codec';
import { IDEMPOTENCY_KEY } from '../requests/idempotency-key';
import { InputQuery } from '../requests/input-request.codec';
import { Query } from '../requests/job-query.codec';
import { Open, Submit, Track } from '../requests/job-request.codec';
import { examples } from './examples';
import { schemaOf } from './json-schema.codec';
import { PROMPT_ID } from '../../../streams/job/ids';

const ofPath = (name: string, schema: JsonSchema) => ({ name, in: 'path', required: true, schema });
const ofHeader = (name: string, schema: JsonSchema, description: string) => ({
  name,
  in: 'header',
  description,
  schema,
});
const ofQuery = (codec: { readonly props: t.Props }) =>
  Object.entries(codec.props).map(([name, field]) => ({
    name,
    in: 'query',
    required: (field as Described<unknown>).isOptional !== true,
    schema: schemaOf(field),
  }));

export const promptId = ofPath('promptId', { type: 'string', pattern: PROMPT_ID.source });
const location = { Location: { description: 'Where the job is to be read.', schema: { type: 'string' } } };
export const readsJobs = ['unknown-job', 'not-found', 'store-unavailable'] as const;
const readsBody = ['bad-request', 'body-too-slow', 'body-too-large', 'unsupported-media-type'] as const;
/** A route that takes no query parameters refuses each that is sent (R18). */
export const readsNoQuery = ['bad-request'] as const;
export const readsJson = [...readsBody, 'malformed-json', 'busy'] as const;

const submit = operation({
  id: 'submitJob',
  tag: 'jobs',
  summary: 'Runs a workflow, or opens a job that reports itself',
  description:
    'With an `Idempotency-Key` it may be repeated for 24 h: the same body under the same key is the same job, however ' +
    'often and through whichever instance it is sent. With `reported` no ComfyUI runs the job: the answer’s `report` says where and with which token the program ' +
    'that does tells of it.',
  parameters: [
    ofHeader(
      'Idempotency-Key',
      { type: 'string', minLength: 1, maxLength: 255, pattern: IDEMPOTENCY_KEY.source },
      'The caller’s own name for this submission, such as a UUID. Keys of different callers do not meet.',
    ),
  ],
  body: { anyOf: [schemaOf(Submit), schemaOf(Open)].map((each) => ({ ...each, additionalProperties: false })) },
  example: examples.submit,
  answers: {
    202: json(
      'ComfyUI has it, or will; it was opened; or it was submitted under this key and has not ended.',
      ref('BegunJob'),
      location,
      examples.job,
    ),
    200: json('It was submitted under this key before, and has ended.', ref('BegunJob'), location),
  },
  problems: [...readsJson, 'workflow-refused', 'too-much-under-way', 'key-reused', 'key-spent', 'store-unavailable'],
});

const file = { type: 'string', contentMediaType: 'application/octet-stream' };
const media = ['image/*', 'video/*', 'audio/*'];
const upload = operation({
  id: 'uploadInput',
  tag: 'jobs',
  summary: 'Passes a file on to ComfyUI, for workflows to read',
  description:
    'An image, mask, video or audio file, as a form or as the body itself with `filename`. The answer’s `name` is what ' +
    '`LoadImage` and its like take; a job that reads it must be submitted with the answer’s `server`. One ComfyUI has one ' +
    'folder of inputs for all who use it.',
  parameters: ofQuery(InputQuery),
  files: {
    'multipart/form-data': {
      type: 'object',
      required: ['image'],
      properties: {
        type: { const: 'input' },
        subfolder: { type: 'string' },
        overwrite: { type: 'string' },
        image: { ...file, description: 'The file, under any name; after the fields.' },
      },
    },
    ...Object.fromEntries(
      [...media, 'application/octet-stream'].map((contentMediaType) => [
        contentMediaType,
        { ...file, contentMediaType },
      ]),
    ),
  },
  answers: { 201: json('It is there.', ref('Input'), undefined, examples.input) },
  problems: [...readsBody, 'input-refused', 'no-answer'],
});

const partial = {
  'Jobs-Partial': {
    description: '`true` where the store is away; absent where all is well.',
    schema: { type: 'string', const: 'true' },
  },
};

const list = operation({
  id: 'listJobs',
  tag: 'jobs',
  summary: 'Lists jobs, the newest first',
  description:
    'A user gets their own jobs only. `totals` counts by standing the jobs that may be seen, of `userId` where that is asked ' +
    'for, whatever the other filters. Where few jobs match, a page may hold fewer than `limit`, and a `cursor` to go on from. ' +
    'While the store is away the page has `partial`, and the answer `Jobs-Partial`: it holds the jobs of the asked instance alone.',
  parameters: ofQuery(Query),
  answers: { 200: json('A page; `cursor` is there where another follows.', ref('JobPage'), partial) },
  problems: ['bad-request'],
});

const read = operation({
  id: 'readJob',
  tag: 'jobs',
  summary: 'Reads a job',
  parameters: [promptId],
  answers: { 200: json('The job as it is now.', ref('Job'), undefined, examples.job) },
  problems: [...readsNoQuery, ...readsJobs],
});

const track = operation({
  id: 'trackJob',
  tag: 'jobs',
  summary: 'Watches a job that somebody else posted to ComfyUI',
  parameters: [promptId],
  body: schemaOf(Track),
  example: examples.track,
  answers: { 200: json('The job, watched from now on or before.', ref('Job'), location) },
  problems: [...readsJson, ...readsJobs, 'no-answer'],
});

const cancel = operation({
  id: 'cancelJob',
  tag: 'jobs',
  summary: 'Stops a job, and no other',
  parameters: [promptId],
  answers: {
    200: json('It has ended, by this or before.', ref('Job')),
    202: json('ComfyUI is asked; the job ends soon.', ref('Job')),
  },
  problems: [...readsNoQuery, ...readsJobs, 'too-much-under-way'],
});

const watch = operation({
  id: 'watchJob',
  tag: 'live',
  summary: 'A job’s changes as server-sent events',
  description:
    'The present state first, then each change; the stream ends after the settled one. Each event’s `data` is a Job, its ' +
    '`id` is `epoch:seq`. A comment comes at least every 15 s. Who returns with `Last-Event-ID` gets only what is newer, ' +
    'and 204 where nothing will be.',
  parameters: [
    promptId,
    ofHeader('Last-Event-ID', { type: 'string' }, 'The `id` of the last event that arrived. What is none is ignored.'),
  ],
  answers: {
    200: {
      description: 'The stream. `x-event-data` describes the JSON in each event’s `data`.',
      content: { 'text/event-stream': { schema: { type: 'string' }, 'x-event-data': ref('Job') } },
    },
    204: { description: 'The job has settled, and `Last-Event-ID` is its last state.' },
  },
  problems: [...readsNoQuery, ...readsJobs, 'too-many-jobs'],
});

const nth = ofPath('n', { type: 'integer', minimum: 0, maximum: 999_999 });
const fileHeaders = Object.fromEntries(
  ['Accept-Ranges', 'Content-Disposition', 'ETag', 'Last-Modified'].map((name) => [
    name,
    { schema: { type: 'string' } },
  ]),
);
const fileContent = Object.fromEntries([...media, 'text/plain', 'application/octet-stream'].map((type) => [type, {}]));

const output = operation({
  id: 'readOutput',
  tag: 'jobs',
  summary: 'Something that a job made',
  description:
    'A file, streamed from ComfyUI, or a text. With a `signature`, as `signOutput` gives it, no token is needed. Of several ' +
    'ranges the whole is sent. A reader that reads nothing for 30 s is cut.',
  parameters: [
    promptId,
    nth,
    { name: 'signature', in: 'query', required: false, schema: { type: 'string' } },
    ofHeader('Range', { type: 'string' }, 'A part of it, such as `bytes=0-1023`.'),
    ofHeader('If-Range', { type: 'string' }, 'The `ETag` or `Last-Modified` of what was read so far.'),
    ofHeader('If-None-Match', { type: 'string' }, 'The `ETag` of what is known already.'),
    ofHeader('If-Modified-Since', { type: 'string' }, 'The `Last-Modified` of what is known already.'),
  ],
  answers: {
    200: {
      description: 'The file. An image, video or audio by its type, a text as such; anything else as an attachment.',
      headers: fileHeaders,
      content: fileContent,
    },
    206: {
      description: 'The part that was asked for.',
      headers: { ...fileHeaders, 'Content-Range': { schema: { type: 'string' } } },
      content: fileContent,
    },
    304: { description: 'It is as the caller knows it.' },
  },
  problems: [...readsJobs, 'unknown-output', 'no-such-range', 'output-too-large', 'no-answer', 'busy'],
});

const signOutput = operation({
  id: 'signOutput',
  tag: 'jobs',
  summary: 'A URL of an output for `<img>` and `<video>`',
  description:
    'Good without a token for five to ten minutes, for this output alone, and at every instance on the same store. ' +
    'Whoever has it may read the output. What a job reported that no ComfyUI ran is not here to be read.',
  parameters: [promptId, nth],
  answers: {
    200: json('The URL, from the root of the gateway’s host, and when it ends; ms since 1970.', ref('OutputUrl')),
  },
  problems: [...readsNoQuery, ...readsJobs, 'unknown-output'],
});

const nodes = operation({
  id: 'readNodes',
  tag: 'jobs',
  summary: 'A job’s nodes over time',
  description:
    'As far as the asked instance saw them since it started; times are ms since 1970. `missed` says whether nodes may have ' +
    'run unseen; of more than 200 turns the first are `dropped`.',
  parameters: [promptId],
  answers: { 200: json('The turns that nodes took, the running one without `to`.', ref('Nodes')) },
  problems: [...readsNoQuery, ...readsJobs],
});

/** The operations on jobs, by path. */
export const jobPaths = {
  '/jobs': { get: list, post: submit },
  '/inputs': { post: upload },
  '/jobs/{promptId}': { get: read, put: track },
  '/jobs/{promptId}/cancel': { post: cancel },
  '/jobs/{promptId}/events': { get: watch },
  '/jobs/{promptId}/nodes': { get: nodes },
  '/jobs/{promptId}/outputs/{n}': { get: output },
  '/jobs/{promptId}/outputs/{n}/url': { post: signOutput },
};
