import * as E from 'fp-ts/Either';
import * as t from 'io-ts';
import type { JobReport, OpenRequest } from '../../../pipeline/api';
import { bounds } from '../../../streams/bounds';
import { reportedKinds, type Metrics, type ReportedFailure } from '../../../streams/reports/job-report';
import {
  METRIC_NAME,
  objectionsByField,
  objectionsToOpening,
  objectionsToWhole,
} from '../../../streams/reports/objections';
import { optional, ruled, type FieldError, type JsonSchema } from '../../wire/described.codec';
import { decodedBody } from './decoded-body.codec';

/** A field of a report. `objectionsByField` of `streams/reports` checks it; the schema here only describes it. */
const field = <A>(name: keyof JobReport, schema: JsonSchema) =>
  ruled<A>(name, (value) => objectionsByField[name]?.(value), schema);

const text = (maxLength: number, description: string): JsonSchema => ({
  type: 'string',
  minLength: 1,
  maxLength,
  description,
});

const failure: JsonSchema = {
  type: 'object',
  required: ['message'],
  additionalProperties: false,
  properties: {
    message: { type: 'string', minLength: 1, maxLength: bounds.messageLength },
    kind: { type: 'string', enum: [...reportedKinds] },
    retryable: { type: 'boolean' },
  },
  description: 'It has failed. `kind` is `node_error` where it is absent.',
};

/** A report: what the program that runs a job says of it. */
export const Report = t.type({
  count: field<number>('count', {
    type: 'integer',
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Grows with each report: one that is no greater than the last changes nothing.',
  }),
  value: optional(
    field<number>('value', { type: 'number', minimum: 0, description: 'Steps done, of the whole run; with `max`.' }),
  ),
  max: optional(field<number>('max', { type: 'number', exclusiveMinimum: 0, description: 'Steps in all.' })),
  stage: optional(field<string>('stage', text(bounds.stageLength, 'What it does now, in a word or two.'))),
  message: optional(field<string>('message', text(bounds.messageLength, 'A line for whoever watches.'))),
  metrics: optional(
    field<Metrics>('metrics', {
      type: 'object',
      maxProperties: bounds.metrics,
      propertyNames: { maxLength: bounds.metricNameLength, pattern: METRIC_NAME.source },
      additionalProperties: { type: 'number' },
      description: 'Figures by name. Those that are absent stay as they were.',
      examples: [{ loss: 0.0831 }],
    }),
  ),
  outputs: optional(
    field<readonly string[]>('outputs', {
      type: 'array',
      maxItems: bounds.reportedOutputs,
      items: { type: 'string', minLength: 1, maxLength: bounds.reportedOutputLength },
      description: 'It has ended well: what it made, by names or http(s) URLs.',
    }),
  ),
  failure: optional(field<ReportedFailure>('failure', failure)),
});

/** The body of `POST /jobs/:promptId/report`. */
export const reportRequest = (body: unknown): E.Either<readonly FieldError[], JobReport> => {
  const fields = decodedBody(Report, body);
  if (E.isLeft(fields)) return fields;
  const objections = objectionsToWhole(fields.right);
  return objections.length > 0 ? E.left(objections) : fields;
};

const reportedSchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    steps: { type: 'integer', minimum: 1, description: 'How many there will be, where that is known.' },
    silentMs: {
      type: 'integer',
      minimum: bounds.leastSilentMs,
      maximum: bounds.mostSilentMs,
      default: bounds.silentMs,
      description: 'Once nothing was heard for so long, it has failed as `timed_out`.',
    },
  },
  description: 'No ComfyUI runs it: the program that does reports of it.',
};

/** The `reported` of a submission: the job will be reported by its own program. */
export const Reported = ruled<NonNullable<OpenRequest['reported']>>(
  'Reported',
  (value) => {
    const [first] = objectionsToOpening(value);
    return first?.field ? `has a field ${first.field} that ${first.message}` : first?.message;
  },
  reportedSchema,
);
