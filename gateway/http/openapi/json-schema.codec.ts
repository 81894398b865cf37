import * as t from 'io-ts';
import type { Described, JsonSchema } from '../../wire/described.codec';

type Tagged =
  | t.StringType
  | t.NumberType
  | t.BooleanType
  | t.AnyDictionaryType
  | t.KeyofType<Record<string, unknown>>
  | t.LiteralType<string | number | boolean>
  | t.ReadonlyArrayType<t.Mixed>
  | t.DictionaryType<t.StringType, t.Mixed>
  | t.InterfaceType<t.Props>
  | t.PartialType<t.Props>
  | t.IntersectionType<t.Mixed[]>
  | t.UnionType<t.Mixed[]>;

/**
 * The schema of what a codec takes; a `$ref` for a codec in `named`. Throws a `TypeError` for a codec without a schema.
 */
export function schemaOf(codec: t.Mixed, named: ReadonlyMap<t.Mixed, string> = new Map()): JsonSchema {
  const name = named.get(codec);
  return name === undefined ? inlineSchemaOf(codec, named) : { $ref: `#/components/schemas/${name}` };
}

/** The same, but the codec itself is spelled out even if it is in `named`. */
export function inlineSchemaOf(codec: t.Mixed, named: ReadonlyMap<t.Mixed, string>): JsonSchema {
  const { schema } = codec as Described<unknown>;
  if (schema) return schema;
  const tagged = codec as Tagged;
  switch (tagged._tag) {
    case 'StringType':
      return { type: 'string' };
    case 'NumberType':
      return { type: 'number' };
    case 'BooleanType':
      return { type: 'boolean' };
    case 'AnyDictionaryType':
      return { type: 'object', additionalProperties: true };
    case 'KeyofType':
      return { type: 'string', enum: Object.keys(tagged.keys) };
    case 'LiteralType':
      return { const: tagged.value };
    case 'ReadonlyArrayType':
      return { type: 'array', items: schemaOf(tagged.type, named) };
    case 'DictionaryType':
      return { type: 'object', additionalProperties: schemaOf(tagged.codomain, named) };
    case 'InterfaceType':
      return objectOf(tagged.props, named, Object.keys(tagged.props).filter(isNeededIn(tagged.props)));
    case 'PartialType':
      return objectOf(tagged.props, named, []);
    case 'IntersectionType':
      return tagged.types.map((part) => inlineSchemaOf(part, named)).reduce(merged);
    case 'UnionType':
      return { anyOf: tagged.types.map((part) => inlineSchemaOf(part, named)) };
    default:
      throw new TypeError(`${codec.name} does not say what it takes`);
  }
}

const isNeededIn =
  (props: t.Props) =>
  (key: string): boolean =>
    (props[key] as Described<unknown>).isOptional !== true;

const objectOf = (props: t.Props, named: ReadonlyMap<t.Mixed, string>, required: readonly string[]): ObjectSchema => ({
  type: 'object',
  required,
  properties: Object.fromEntries(Object.entries(props).map(([key, codec]) => [key, schemaOf(codec, named)])),
});

/** A schema of an object with known fields. */
export interface ObjectSchema extends JsonSchema {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

export const isObjectSchema = (schema: JsonSchema): schema is ObjectSchema => 'properties' in schema;

function merged(one: JsonSchema, other: JsonSchema): JsonSchema {
  if (!isObjectSchema(one) || !isObjectSchema(other)) throw new TypeError('only objects can be merged');
  return {
    type: 'object',
    required: [...one.required, ...other.required],
    properties: { ...one.properties, ...other.properties },
  };
}
