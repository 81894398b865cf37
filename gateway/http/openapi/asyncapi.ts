import { answerSchemas } from './response-schemas.codec';
import { ref } from './operation';
import type { JsonSchema } from '../../wire/described.codec';
import { API_VERSION } from './openapi';
import type { ClientEvents, LiveJobs, PreviewHead, Refusal, ServerEvents } from '../../wire/protocol';

interface Event {
  readonly summary: string;
  readonly description?: string;
  /** The schema of the event's argument; of several, an array schema with each in order. */
  readonly payload: JsonSchema;
  /** The schema of its acknowledgement. */
  readonly ack?: JsonSchema;
}

const object = (
  required: Readonly<Record<string, JsonSchema>>,
  others: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...others },
});
const text = { type: 'string' };
const nothing = { type: 'null' };

const refusal = object({
  ok: { const: false },
  error: object({
    code: { ...text, description: 'The kind of problem, as the last part of its `type` over HTTP; or `left`.' },
    message: text,
  } satisfies Fields<Refusal['error']>),
} satisfies Fields<Refusal>);
const done: JsonSchema = { oneOf: [object({ ok: { const: true } }), refusal], description: 'For whoever wants one.' };
const liveJobs: Fields<Omit<LiveJobs, 'partial'>> = {
  jobs: { type: 'array', items: ref('Job') },
  more: { type: 'boolean' },
};
/** The field that is present only while the store is away. */
const partial: Fields<Pick<Required<LiveJobs>, 'partial'>> = {
  partial: { const: true, description: 'These are the jobs of the asked instance alone: its store is away.' },
};

/** A schema for each field of a type, so that none is forgotten. */
type Fields<T> = Readonly<Record<keyof T, JsonSchema>>;

const heard: Readonly<Record<keyof ClientEvents, Event>> = {
  'job:join': {
    summary: 'Enters a job’s room: the acknowledgement has its state, each change follows as `job:state`.',
    payload: { ...text, description: 'The job’s `promptId`.' },
    ack: { oneOf: [object({ ok: { const: true }, job: ref('Job') }), refusal] },
  },
  'job:leave': {
    summary: 'Leaves a job’s room.',
    payload: { ...text, description: 'The job’s `promptId`.' },
    ack: done,
  },
  'jobs:watch': {
    summary: 'Asks for all jobs one may see: the acknowledgement has the live ones, changes follow as `job:state`.',
    payload: nothing,
    ack: { oneOf: [object({ ok: { const: true }, ...liveJobs }, partial), refusal] },
  },
  'jobs:unwatch': { summary: 'Ends that.', payload: nothing, ack: done },
};

const told: Readonly<Record<keyof ServerEvents, Event>> = {
  'job:state': {
    summary: 'A job that is followed, as it is now. A settled one is sent with an acknowledgement.',
    description:
      'A settled job comes again, the same by (`epoch`, `seq`), every 5 s and four times in all, until it is acknowledged. ' +
      'Who does not acknowledge is served all the same.',
    payload: ref('Job'),
    ack: { ...nothing, description: 'No arguments.' },
  },
  'jobs:partial': {
    summary: 'To who watches all: the store went away, or is back. Ask again with `jobs:watch`.',
    payload: object({
      partial: { type: 'boolean', description: 'Whether these are the jobs of the asked instance alone.' },
    }),
  },
  'job:preview': {
    summary: 'A picture of a job at work; may be dropped.',
    payload: {
      type: 'array',
      prefixItems: [
        object({ promptId: text, nodeId: text, mimeType: text } satisfies Fields<PreviewHead>),
        { description: 'The image: a binary attachment.' },
      ],
      minItems: 2,
      maxItems: 2,
    },
  },
};

const events: Readonly<Record<string, Event>> = { ...heard, ...told };

/** An event's name as an id for `$ref`, in which `:` has a meaning of its own: `job:state` becomes `job-state`. */
const idOf = (event: string): string => event.replaceAll(':', '-');

const messages = Object.fromEntries(
  Object.entries(events).map(([name, { summary, description, payload, ack }]) => [
    idOf(name),
    { name, summary, ...(description !== undefined && { description }), payload, ...(ack && { 'x-ack': ack }) },
  ]),
);

const operations = (names: readonly string[], action: 'send' | 'receive') =>
  names.map((name) => [
    idOf(name),
    {
      action,
      channel: { $ref: '#/channels/socket' },
      messages: [{ $ref: `#/channels/socket/messages/${idOf(name)}` }],
    },
  ]);

/** The Socket.IO events as AsyncAPI 3.0, from the gateway’s side: `receive` is what clients send. */
export const asyncApi = (prefix = '') => ({
  asyncapi: '3.0.0',
  info: {
    title: 'comfyui-jobstream, live',
    version: API_VERSION,
    description:
      'Socket.IO 4 over WebSocket only, at `/socket.io/` of the gateway. The token goes into `auth.token` of the handshake. ' +
      'Events’ names are the messages’. An acknowledgement’s schema is in `x-ack`, and a binary image an attachment.',
    license: { name: 'MIT' },
  },
  defaultContentType: 'application/json',
  channels: { socket: { address: `${prefix}/socket.io/`, messages } },
  operations: Object.fromEntries([
    ...operations(Object.keys(heard), 'receive'),
    ...operations(Object.keys(told), 'send'),
  ]) as Readonly<Record<string, unknown>>,
  components: { schemas: answerSchemas() },
});
