import Ajv, { type ValidateFunction } from 'ajv/dist/2020';
import { openApi } from '../../../../gateway/http/openapi/openapi';
import type { Answer } from './asking';

type Json = Readonly<Record<string, unknown>>;

export interface DocumentedOperation {
  readonly path: string;
  readonly method: string;
  readonly parameters: readonly { name: string; in: string; required?: boolean; schema: Json }[];
  readonly body?: Json;
  readonly responses: Readonly<Record<string, { content?: Readonly<Record<string, { schema?: Json }>> }>>;
}

/** The document as clients get it. */
export const document = JSON.parse(JSON.stringify(openApi(true))) as Json & {
  paths: Record<string, Record<string, Json>>;
};

export const operations: readonly DocumentedOperation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => {
    const body = (requestBody as { content: Record<string, { schema: Json }> } | undefined)?.content[
      'application/json'
    ];
    return {
      path,
      method: method.toUpperCase(),
      parameters: parameters as DocumentedOperation['parameters'],
      responses: responses as DocumentedOperation['responses'],
      ...(body && { body: body.schema }),
    };
  }),
);

export const operationFor = (method: string, path: string): DocumentedOperation | undefined =>
  operations.find((each) => {
    const pattern = each.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+');
    return each.method === method && new RegExp(`^${pattern}$`).test(path);
  });

const ajv = new Ajv({ strict: false, allErrors: true });
const compiled = new Map<unknown, ValidateFunction>();

/** Whether a value fits a schema of the document. `closed` forbids fields that the document does not name. */
export function fits(schema: Json, value: unknown, closed = false): readonly string[] {
  const key = closed ? JSON.stringify(schema) : schema;
  const { components } = document;
  const whole = { ...schema, components };
  const validate = compiled.get(key) ?? ajv.compile(closed ? (closing(whole) as Json) : whole);
  compiled.set(key, validate);
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** What of an answer the document does not say. */
export function undocumented(method: string, path: string, answer: Answer): readonly string[] {
  const where = `${method} ${path}: ${answer.status}`;
  const response = operationFor(method, path)?.responses[answer.status];
  if (response === undefined) return [`${where} is not documented`];
  const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  const content = Object.entries(response.content ?? {}).find(([known]) => isLike(type, known));
  if (content === undefined) return type === '' ? [] : [`${where} is no ${type}`];
  const { schema } = content[1];
  if (schema === undefined || !type.endsWith('json')) return [];
  return fits(schema, JSON.parse(answer.text), true).map((complaint) => `${where}${complaint}`);
}

const isLike = (type: string, known: string): boolean =>
  known.endsWith('/*') ? type.startsWith(known.slice(0, -1)) : type === known;

/** The same schema, in which an object has the fields that are named and no others. */
function closing(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closing);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closing(value)]));
  const named = inner['type'] === 'object' && 'properties' in inner && !('additionalProperties' in inner);
  return named ? { ...inner, additionalProperties: false } : inner;
}
