import { document } from '../../test/gateway/support/http/documented';
import { rejected, steps } from '../../test/support/comfyui/workflows';
import type { Chance } from '../../test/system/seeded';

export type Json = Readonly<Record<string, unknown>>;

export const strange: readonly unknown[] = [
  null,
  '',
  'x'.repeat(300),
  'x'.repeat(20_000),
  '\0',
  'line\nbreak',
  '\u202e\ud800',
  '🎨'.repeat(150),
  '../../etc/passwd',
  "'; DROP TABLE jobs; --",
  '<script>alert(1)</script>',
  '${7*7}{{7*7}}',
  '__proto__',
  'constructor',
  -1,
  0,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  true,
  [],
  [[]],
  {},
  { toString: 1, constructor: 1, hasOwnProperty: 1, toJSON: 1 },
  JSON.parse('{"__proto__":{"role":"service","userId":"ada"}}'),
];
export const strangeIds = [
  '%00',
  '%E0%A4%A',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  '..',
  '.',
  '%20',
  '%F0%9F%8E%A8',
  '__proto__',
  'constructor',
  'a'.repeat(128),
  'a'.repeat(129),
  'a'.repeat(6000),
  '%0d%0aSet-Cookie:x=1',
  '*',
  '-',
  '%',
  'comfyui:job:x',
];
export const junkBodies: readonly Buffer[] = [
  '',
  '{',
  'null',
  '[]',
  '"text"',
  '7',
  '{"a":1}}',
  '{"__proto__":{"type":"x"},"constructor":{"prototype":{}}}',
  '['.repeat(50_000),
  `{"workflow":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)},"type":"x","userId":"ada"}`,
  `{"type":"x","userId":"ada","metadata":${'['.repeat(9000)}${']'.repeat(9000)},"workflow":{}}`,
  `{"type":"x","userId":"ada","metadata":{"a":${'['.repeat(7000)}${']'.repeat(7000)}},"workflow":${JSON.stringify(steps())}}`,
  `{"type":"x","userId":"ada","workflow":{"1":{"class_type":"X","inputs":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}}}`,
  '{"type":"x","type":"y","userId":"ada","workflow":1e999}',
  `${' '.repeat(100_000)}{}`,
].map((text) => Buffer.from(text));

/** A value that a schema of the document takes. */
export function valueOf(given: Json, chance: Chance): unknown {
  const ref = /^#\/components\/schemas\/(\w+)$/.exec(String(given['$ref']))?.[1];
  const { schemas } = document['components'] as { schemas: Record<string, Json> };
  const schema = ref === undefined ? given : schemas[ref]!;
  if ('anyOf' in schema) return valueOf(chance.pick(schema['anyOf'] as Json[]), chance);
  if ('enum' in schema) return chance.pick(schema['enum'] as unknown[]);
  switch (schema['type']) {
    case 'string': {
      const most = Number(schema['maxLength'] ?? 40);
      return 'Ab-é🎨 _'.repeat(20).slice(0, chance.whole(1, Math.min(most, 30)));
    }
    case 'boolean':
      return chance.number() < 0.5;
    case 'number':
      return chance.pick([-1, 0, 0.5, 7]);
    case 'array':
      return chance.pick([[], ['1'], ['4', '4']]);
    case 'integer':
      return chance.whole(Number(schema['minimum'] ?? 0), Number(schema['maximum'] ?? 1000));
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Json>);
      const required = (schema['required'] ?? []) as string[];
      const extra = schema['additionalProperties'];
      const more =
        typeof extra === 'object' ? [String(chance.whole(1, 9))].map((name) => [name, extra as Json] as const) : [];
      return Object.fromEntries(
        [...properties, ...more]
          .filter(
            ([name]) => required.includes(name) || !properties.some(([each]) => each === name) || chance.number() < 0.3,
          )
          .map(([name, each]) => [name, valueOf(each, chance)]),
      );
    }
    default:
      return chance.pick(strange);
  }
}

/** A body that is likely to be carried out: a workflow that the stand-in knows, for a user that there is. */
export function realistic(schema: Json, chance: Chance): unknown {
  const body = valueOf(schema, chance) as Record<string, unknown>;
  const workflow =
    chance.number() < 0.85 ? steps({ steps: 3, secondsPerStep: 0.01, seed: chance.whole(1, 20) }) : rejected();
  const { server: _, ...others } = body;
  return {
    ...others,
    ...('type' in body && { type: 'image_generation', userId: chance.pick(['ada', 'bob']) }),
    ...('workflow' in body && { workflow }),
  };
}

/** The same with a field dropped, doubled under another name, or replaced by something strange, somewhere near the top. */
export function changed(value: unknown, chance: Chance, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return chance.pick(strange);
  const name = chance.pick(Object.keys(value));
  const within = (value as Record<string, unknown>)[name];
  const how = chance.number();
  if (how < 0.4 && depth < 2) return { ...value, [name]: changed(within, chance, depth + 1) };
  if (how < 0.6) return Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
  if (how < 0.7)
    return { ...value, [chance.pick(['', '__proto__', 'constructor', 'x'.repeat(300), '🎨', '1'])]: within };
  return { ...value, [name]: chance.pick(strange) };
}
