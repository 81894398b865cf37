import type { ComponentName } from './response-schemas.codec';
import type { JsonSchema } from '../../wire/described.codec';
import { problemType, statusOf, type ProblemKind } from '../../wire/problem';

export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly JsonSchema[];
  /** The schema of its JSON body, which may have no other fields. */
  readonly body?: JsonSchema;
  /** An example of that body. */
  readonly example?: unknown;
  /** The schemas of bodies that are not JSON, by media type. */
  readonly files?: Readonly<Record<string, JsonSchema>>;
  readonly answers: Readonly<Record<number, JsonSchema>>;
  readonly problems: readonly ProblemKind[];
  /** Whether it answers without a token. */
  readonly isOpen?: boolean;
}

/** An operation as an OpenAPI object. Problems of one status share one response. */
export const operation = ({ id, tag, summary, description, parameters, isOpen, ...what }: Operation) => {
  const problems = [...what.problems, ...EVERYWHERE, ...(isOpen ? [] : KNOWN), ...(tag === 'health' ? [] : COUNTED)];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(isOpen && { security: [] }),
    ...(parameters && { parameters }),
    ...bodyOf(what),
    responses: { ...problemResponses([...new Set(problems)]), ...what.answers },
  };
};

const bodyOf = ({ body, example, files = {} }: Pick<Operation, 'body' | 'example' | 'files'>) => {
  const content = {
    ...(body && {
      'application/json': { schema: 'anyOf' in body ? body : { ...body, additionalProperties: false }, example },
    }),
    ...Object.fromEntries(Object.entries(files).map(([type, schema]) => [type, { schema }])),
  };
  return Object.keys(content).length === 0 ? {} : { requestBody: { required: true, content } };
};

/** Problems that every operation may answer: a refused `Host` or `Origin` (403), a mistake of ours (500). */
const EVERYWHERE: readonly ProblemKind[] = ['forbidden', 'internal'];
/** Problems that every operation which needs a token may answer. */
const KNOWN: readonly ProblemKind[] = ['unauthorized', 'keys-unavailable', 'closing'];
/** Problems of every operation under the rate limits, which health checks are not. */
const COUNTED: readonly ProblemKind[] = ['too-many-requests'];

export const ref = (name: ComponentName): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

export const json = (description: string, schema: JsonSchema, headers?: JsonSchema, example?: unknown): JsonSchema => ({
  description,
  ...(headers && { headers }),
  content: { 'application/json': { schema, ...(example !== undefined && { example }) } },
});

function problemResponses(kinds: readonly ProblemKind[]): Readonly<Record<number, JsonSchema>> {
  const statuses = [...new Set(kinds.map(statusOf))];
  return Object.fromEntries(
    statuses.map((status) => [status, problemResponse(kinds.filter((kind) => statusOf(kind) === status))]),
  );
}

const problemResponse = (kinds: readonly ProblemKind[]): JsonSchema => ({
  description: kinds.map((kind) => `\`${kind}\``).join(' or '),
  content: {
    'application/problem+json': {
      schema: { allOf: [ref('Problem')], properties: { type: { enum: kinds.map(problemType) } } },
    },
  },
});
