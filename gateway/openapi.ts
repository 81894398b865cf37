import { answerSchemas } from './answers.codec';
import { json, operation, ref } from './api-operation';
import { jobPaths } from './openapi-jobs.codec';

/** The API's, which outlives releases that leave it as it is. */
export const API_VERSION = '1.0.0';

const anyObject = { type: 'object', additionalProperties: true };

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

/** What the gateway takes and answers over HTTP, as OpenAPI 3.1: from the codecs that decode requests and stored jobs. */
export const openApi = (tokensRequired: boolean) => ({
  openapi: '3.1.0',
  info: {
    title: 'comfyui-jobstream',
    version: API_VERSION,
    summary: 'Live, durable progress of ComfyUI jobs.',
    description:
      'Errors are problem documents (RFC 9457). A job that may not be seen is answered as one that does not exist.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: '/' }],
  security: tokensRequired ? [{ bearer: [] }] : [{}, { bearer: [] }],
  tags: [
    { name: 'jobs', description: 'Submitting, reading and stopping jobs.' },
    { name: 'live', description: 'Following a job; see also `/asyncapi.json`.' },
    { name: 'health' },
    { name: 'self', description: 'What describes the API itself.' },
  ],
  paths: { ...jobPaths, ...selfPaths },
  components: {
    schemas: answerSchemas(),
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
  },
});
