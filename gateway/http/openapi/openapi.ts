import { answerSchemas } from './response-schemas.codec';
import { json, operation, ref } from './operation';
import { reportPaths } from './report-operations.codec';
import { jobPaths } from './job-operations.codec';

/** The version of the API, not of the package: it changes when requests or answers do. */
export const API_VERSION = '1.0.0';

const anyObject = { type: 'object', additionalProperties: true };

/** Routes of the gateway itself: health, documents, `/me`. */
const selfPaths = {
  '/livez': {
    get: operation({
      id: 'livez',
      tag: 'health',
      summary: 'Whether the process runs',
      answers: { 200: json('It does.', ref('Liveness')) },
      problems: [],
      isOpen: true,
    }),
  },
  '/readyz': {
    get: operation({
      id: 'readyz',
      tag: 'health',
      summary: 'Whether the gateway can do its work, check by check',
      description: 'Services see the servers’ URLs; others their numbers.',
      answers: { 200: json('It can.', ref('Readiness')), 503: json('It cannot.', ref('Readiness')) },
      problems: [],
      isOpen: true,
    }),
  },
  '/metrics': {
    get: operation({
      id: 'metrics',
      tag: 'health',
      summary: 'What happened, in the text format of Prometheus',
      description: 'For services alone: others are answered 403. Every metric is named in docs/interfaces/metrics.md.',
      answers: {
        200: {
          description: 'All metrics of this instance.',
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
      },
      problems: ['too-many-requests'],
    }),
  },
  '/me': {
    get: operation({
      id: 'me',
      tag: 'self',
      summary: 'Who the caller is to the gateway',
      description: '`tokens` tells whether the gateway wants any; `expiresAt`, in ms since 1970, when this one ends.',
      answers: { 200: json('Whom the token names.', ref('Me')) },
      problems: ['bad-request'],
    }),
  },
  '/openapi.json': {
    get: operation({
      id: 'openapi',
      tag: 'self',
      summary: 'This document',
      answers: { 200: json('OpenAPI 3.1.', anyObject) },
      problems: [],
      isOpen: true,
    }),
  },
  '/asyncapi.json': {
    get: operation({
      id: 'asyncapi',
      tag: 'self',
      summary: 'The Socket.IO events',
      answers: { 200: json('AsyncAPI 3.0.', anyObject) },
      problems: [],
      isOpen: true,
    }),
  },
};

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
});

/** The webhook of a submission with `webhook.url`. */
const settled = {
  post: {
    operationId: 'jobSettled',
    tags: ['live'],
    summary: 'A job has settled',
    description:
      'Sent to the `webhook.url` of a submission, signed as Standard Webhooks has it: HMAC-SHA256 of id, timestamp and ' +
      'body, joined by dots. At least once, with the same id each time; again after 5 s, 30 s, 2 min, 10 min, 30 min ' +
      'and then hourly for a day. Redirects are not followed.',
    security: [],
    parameters: [
      header('webhook-id', 'The same in every attempt.'),
      header('webhook-timestamp', 'When this attempt was made; seconds since 1970.'),
      header('webhook-signature', '`v1,` and the signature in base64.'),
    ],
    requestBody: { required: true, content: { 'application/json': { schema: ref('Job') } } },
    responses: {
      '2XX': { description: 'Taken.' },
      410: { description: 'Not wanted: it is not sent again.' },
      default: { description: 'Not taken: it is sent again later.' },
    },
  },
};

/** The HTTP API as OpenAPI 3.1, made from the codecs that decode requests and stored jobs. */
export const openApi = (tokensRequired: boolean, prefix = '') => ({
  openapi: '3.1.0',
  info: {
    title: 'comfyui-jobstream',
    version: API_VERSION,
    summary: 'Live, durable progress of ComfyUI jobs.',
    description:
      'Errors are problem documents (RFC 9457). A job that may not be seen is answered as one that does not exist.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: prefix === '' ? '/' : prefix }],
  security: tokensRequired ? [{ bearer: [] }] : [{}, { bearer: [] }],
  tags: [
    { name: 'jobs', description: 'Submitting, reading and stopping jobs.' },
    { name: 'live', description: 'Following a job; see also `/asyncapi.json`.' },
    { name: 'health' },
    { name: 'self', description: 'What describes the API itself.' },
  ],
  paths: { ...jobPaths, ...reportPaths, ...selfPaths },
  webhooks: { settled },
  components: {
    schemas: answerSchemas(),
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
  },
});
