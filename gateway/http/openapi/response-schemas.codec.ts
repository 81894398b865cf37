import * as t from 'io-ts';
import { failure, jobOutput, jobState, nodeError, currentNode } from '../../../sinks/codecs/job-state.codec';
import type { JobState } from '../../../streams/job/job-state';
import type { JsonSchema } from '../../wire/described.codec';
import { problemKinds, problemType } from '../../wire/problem';
import type { PublicJob } from '../../wire/public-job';
import { inlineSchemaOf, isObjectSchema } from './json-schema.codec';
import { curvePoint } from '../../../pipeline/reports/curves.codec';

const FieldError = t.type({ field: t.string, message: t.string });

/** An RFC 9457 problem. */
const Problem = t.intersection([
  t.type({
    type: t.keyof(Object.fromEntries(problemKinds.map((kind) => [problemType(kind), null]))),
    title: t.string,
    status: t.number,
  }),
  t.partial({
    detail: t.string,
    errors: t.readonlyArray(FieldError),
    promptId: t.string,
    nodeErrors: t.readonlyArray(nodeError),
  }),
]);

const JobTotals = t.type({
  queued: t.number,
  processing: t.number,
  completed: t.number,
  failed: t.number,
  cancelled: t.number,
});

const JobPage = t.intersection([
  t.type({ jobs: t.readonlyArray(jobState), totals: JobTotals }),
  t.partial({ cursor: t.string, partial: t.literal(true) }),
]);

const Liveness = t.type({ status: t.literal('alive') });

const ServerHealth = t.intersection([
  t.type({ name: t.string, healthy: t.boolean, via: t.keyof({ websocket: null, polling: null }) }),
  t.partial({ url: t.string, queueRemaining: t.number }),
]);

const Readiness = t.type({
  status: t.keyof({ ready: null, 'not ready': null }),
  checks: t.type({ store: t.type({ healthy: t.boolean }), servers: t.readonlyArray(ServerHealth) }),
});
export type Liveness = t.TypeOf<typeof Liveness>;
export type Readiness = t.TypeOf<typeof Readiness>;

const Me = t.intersection([
  t.type({ user: t.string, service: t.boolean, tokens: t.boolean }),
  t.partial({ expiresAt: t.number }),
]);
export type Me = t.TypeOf<typeof Me>;

const NodeTurn = t.intersection([
  t.type({ id: t.string, type: t.string, from: t.number, value: t.number, max: t.number }),
  t.partial({ title: t.string, to: t.number, failed: t.boolean }),
]);

const Nodes = t.intersection([
  t.type({
    attempt: t.number,
    turns: t.readonlyArray(NodeTurn),
    dropped: t.number,
    at: t.number,
    missed: t.type({ before: t.boolean, between: t.boolean }),
  }),
  t.partial({ began: t.number }),
]);
export type Nodes = t.TypeOf<typeof Nodes>;

/** Where to send reports of a job, and with which token. */
const ReportAccess = t.intersection([t.type({ url: t.string }), t.partial({ token: t.string, expiresAt: t.number })]);

const Curves = t.type({ points: t.readonlyArray(curvePoint) });

/** A URL that needs no token. */
const OutputUrl = t.type({ url: t.string, expiresAt: t.number });
const Input = t.type({ name: t.string, subfolder: t.string, type: t.literal('input'), server: t.string });

const components = {
  Input,
  Job: jobState,
  JobPage,
  ReportAccess,
  Curves,
  CurvePoint: curvePoint,
  Node: currentNode,
  Output: jobOutput,
  OutputUrl,
  Failure: failure,
  NodeError: nodeError,
  FieldError,
  Problem,
  Nodes,
  NodeTurn,
  Me,
  Liveness,
  Readiness,
  ServerHealth,
};

/** The names of schemas under `#/components/schemas/`. */
export type ComponentName = keyof typeof components | 'BegunJob';

const named = new Map<t.Mixed, string>(Object.entries(components).map(([name, codec]) => [codec, name]));

/** Fields of a stored state that no answer shows. */
const kept: Record<Exclude<keyof JobState, keyof PublicJob>, true> = {
  clientId: true,
  session: true,
  retry: true,
  pictures: true,
};

/** Descriptions and bounds of a job's fields, which the codec of a stored state does not have. */
const told: Partial<Record<keyof PublicJob, JsonSchema>> = {
  promptId: { description: 'The job’s id for good; ComfyUI’s `prompt_id` too, where there is no `runId`.' },
  type: {
    description: '`image_generation`, `lora_training`, `face_swap`, `character_sheet`, or the application’s own.',
  },
  progress: { minimum: 0, maximum: 100, description: 'Never falls; 100 when completed and only then.' },
  startedAt: { type: 'integer', description: 'When it was submitted or first tracked; ms since 1970.' },
  executionStartedAt: { type: 'integer', description: 'When ComfyUI began to run it; ms since 1970.' },
  stage: { description: 'Of a job that reports itself: what it does now.' },
  message: { description: 'Of a job that reports itself: a line for whoever watches.' },
  metrics: { description: 'Of a job that reports itself: its newest figures by name, such as `loss`.' },
  reported: {
    description:
      'Of a job that reports itself: the `count` of the last report and when it came, and after how many ms of silence it fails.',
  },
  silentSince: { type: 'integer', description: 'Since when no news of it can come; ms since 1970.' },
  deadlineAt: { type: 'integer', description: 'When its time is up; ms since 1970.' },
  cancelAskedAt: {
    type: 'integer',
    description: 'When a cancel was asked for that is still to be obeyed; ms since 1970.',
  },
  runId: { description: 'ComfyUI’s `prompt_id` of this run, where it is not the `promptId`.' },
  updatedAt: { type: 'integer', description: 'ms since 1970.' },
  finishedAt: { type: 'integer', description: 'When it settled; ms since 1970.' },
  queuePosition: { type: 'integer', minimum: 0, description: 'How many jobs must end before this one starts.' },
  etaMs: {
    minimum: 0,
    description: 'Milliseconds from `updatedAt` to the end, of a waiting job to its start, where they can be told.',
  },
  via: { description: 'How news of the job reaches the gateway now.' },
  attempt: { type: 'integer', minimum: 1 },
  epoch: { type: 'integer', description: 'Grows with each change of owner; (`epoch`, `seq`) orders a job’s states.' },
  seq: { type: 'integer', description: 'Grows with each change.' },
  serverUrl: { description: 'The server’s URL, without credentials; to services only.' },
  outputs: { description: 'Its files: the nth is at `/jobs/{promptId}/outputs/{n}`, from 0.' },
  metadata: { description: 'The application’s own, untouched.' },
};

/** The schemas of the gateway's answers, those of jobs derived from the codec of stored states. */
export const answerSchemas = (): Record<ComponentName, JsonSchema> => ({
  ...(Object.fromEntries(
    Object.entries(components).map(([name, codec]) => [name, inlineSchemaOf(codec, named)]),
  ) as Record<ComponentName, JsonSchema>),
  Job: jobSchema(),
  BegunJob: begunSchema(),
});

/** A job and, if it reports itself, where to send its reports. */
function begunSchema(): JsonSchema {
  const job = jobSchema();
  const report = {
    $ref: '#/components/schemas/ReportAccess',
    description:
      'Of a job that reports itself: where it is told of, and a token good for that alone. No other answer has it.',
  };
  return { ...job, properties: { ...(job['properties'] as JsonSchema), report } };
}

const SERVER = {
  type: 'string',
  description: 'The name of the ComfyUI server that has it; `reported` of a job that reports itself.',
};

function jobSchema(): JsonSchema {
  const schema = inlineSchemaOf(jobState, named);
  if (!isObjectSchema(schema)) throw new TypeError('a job is an object');
  const properties = Object.entries(schema.properties)
    .filter(([field]) => !(field in kept))
    .map(([field, own]) => [field, { ...own, ...told[field as keyof PublicJob] }] as const);
  return {
    type: 'object',
    description: 'A job as it is. It has settled when `status` is `completed` or `failed`, and then never changes.',
    required: [...schema.required.filter((field) => field !== 'serverUrl'), 'server'],
    properties: Object.fromEntries([...properties, ['server', SERVER]]),
  };
}
