/** Names whose text is part of the protocol, not of one run. */
const LITERAL = new Set([
  'type',
  'message',
  'details',
  'state',
  'status',
  'status_str',
  'error',
  'node_type',
  'node_title',
  'class_type',
  'exception_type',
  'exception_message',
  'image_type',
  'mediaType',
  'subfolder',
  'traceback',
]);

/** Keys that are a job's or a node's id, `5.0.0.3.0.0.Recurse` included. */
const ID = /^(\d+(\.\w+)*|[0-9a-f]{8}-[0-9a-f-]{27})$/;

/** The fields of a value at any depth, in their order, and their types; what ids name is one kind of thing. */
export function shape(value: unknown, name = ''): string {
  if (Array.isArray(value)) return `[${distinct(value.map((item) => shape(item, name)))}]`;
  if (typeof value === 'object' && value !== null) return objectShape(Object.entries(value));
  if (value === null) return 'null';
  if (typeof value !== 'string') return typeof value;
  if (value === INT || value === FLOAT) return value;
  return LITERAL.has(name) ? JSON.stringify(value) : 'string';
}

/** The shape of a JSON text, integers and floats told apart as they are written. */
export function textShape(text: string): string {
  const marked = text.replace(
    /"(?:[^"\\]|\\.)*"|-?\d+(\.\d+)?(e[+-]?\d+)?/g,
    (token, point?: string, power?: string) =>
      token.startsWith('"') ? token : JSON.stringify((point ?? power) === undefined ? INT : FLOAT),
  );
  return shape(JSON.parse(marked));
}

/** Whether a JSON text is spaced as Python spaces it. */
export function isSpacedAsPython(text: string): boolean {
  return /^(?:[^\s,:]|[,:] (?! ))*$/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'));
}

const INT = '@int';
const FLOAT = '@float';

function objectShape(fields: [name: string, value: unknown][]): string {
  const named = fields.filter(([name]) => !ID.test(name)).map(([name, value]) => `${name}: ${shape(value, name)}`);
  const ids = fields.filter(([name]) => ID.test(name)).map(([, value]) => shape(value));
  return `{ ${[...named, ...(ids.length > 0 ? [`#: ${distinct(ids)}`] : [])].join(', ')} }`;
}

function distinct(shapes: readonly string[]): string {
  return [...new Set(shapes)].sort().join(' | ');
}
