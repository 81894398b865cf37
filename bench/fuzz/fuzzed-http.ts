import { request as sendTo, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { document, operations, operationFor, undocumented } from '../../test/gateway/support/http/documented';
import { tokenOf } from '../../test/gateway/support/admission/tokens';
import { rejected, steps } from '../../test/support/comfyui/workflows';
import { seeded, type Chance } from '../../test/system/seeded';

type Json = Readonly<Record<string, unknown>>;

/** One request, as it goes out. */
export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

/** A request that the gateway did not answer as it must. */
export class HttpFuzzFailure extends Error {
  override readonly name = 'HttpFuzzFailure';
}

/** How often each status came. */
export type Statuses = Readonly<Record<string, number>>;

const PATIENCE_MS = 15_000;
/** An event stream is left when it has lived for so long. */
const STREAM_MS = 30;

const strange: readonly unknown[] = [
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
const strangeIds = [
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
const junkBodies: readonly Buffer[] = [
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

/** Requests made from the document, one after another for a seed: as it wants them, with something changed, or hostile. */
export async function fuzzedRequests(seed: number, known: () => readonly string[]): Promise<() => FuzzedRequest> {
  const chance = seeded(seed);
  const pick = <T>(some: readonly T[]): T => chance.pick(some);
  const whole = (least: number, most: number): number => chance.whole(least, most);
  const maybe = (odds: number): boolean => chance.number() < odds;
  const tokens = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ sub: 'app', role: 'service' }),
  ]);
  const stale = await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' });

  const id = (): string => {
    if (known().length > 0 && maybe(0.6)) return pick(known());
    return maybe(0.5) ? '6b3d5a2e-0d6c-4c55-9a55-8d0e3c1f2a10' : pick(strangeIds);
  };
  const inPath = (name: string, schema: Json): string =>
    name === 'promptId'
      ? id()
      : maybe(0.7)
        ? String(valueOf(schema, chance))
        : pick(['-1', '1e3', '0x1', '999999999', ...strangeIds]);

  const inQuery = (name: string, schema: Json): readonly string[] => {
    const value = maybe(0.75) ? valueOf(schema, chance) : pick(strange);
    const text = encodeURIComponent(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString());
    const whole = `${maybe(0.95) ? name : `${name}[x]`}=${text}`;
    return maybe(0.1) ? [whole, whole] : [whole];
  };

  const headerOf = (name: string): string => {
    if (name === 'Idempotency-Key')
      return pick(['a', 'b', 'c', 'x'.repeat(255), 'x'.repeat(256), '', 'a b', '"q"', '\u00e9']);
    return pick(['1:1', '0:0', '9999999999999999:9999999999999999', '-1', '', 'x'.repeat(3000)]);
  };

  const bodyOf = (schema: Json): Buffer => {
    if (maybe(0.1)) return pick(junkBodies);
    let body = maybe(0.6) ? realistic(schema, chance) : valueOf(schema, chance);
    for (let times = maybe(0.5) ? 0 : whole(1, 3); times > 0; times -= 1) body = changed(body, chance);
    const bytes = Buffer.from(JSON.stringify(body));
    if (maybe(0.03)) return bytes.subarray(0, whole(0, bytes.length));
    if (maybe(0.03) && bytes.length > 0) bytes[whole(0, bytes.length - 1)] = whole(0, 255);
    return bytes;
  };

  return () => {
    const { path, method, parameters, body } = maybe(0.15) ? operationFor('POST', '/jobs')! : pick(operations);
    const query = parameters.filter((each) => each.in === 'query' && maybe(0.4));
    const there = path.replace(/\{(\w+)\}/g, (_, name: string) =>
      inPath(name, parameters.find((each) => each.name === name)?.schema ?? {}),
    );
    const asked = query.flatMap(({ name, schema }) => inQuery(name, schema));
    const headers: OutgoingHttpHeaders = {};
    if (!maybe(0.05)) headers['Authorization'] = `Bearer ${maybe(0.9) ? pick(tokens) : pick([stale, 'junk', 'a.b.c'])}`;
    if (maybe(0.03)) headers['Origin'] = pick(['null', 'https://evil.example', 'http://127.0.0.1']);
    if (maybe(0.02)) headers['Accept-Encoding'] = 'br;q=1.0, x';
    if (maybe(0.02)) headers['Range'] = 'bytes=5-1';
    for (const { name } of parameters.filter((each) => each.in === 'header' && maybe(0.4)))
      headers[name] = headerOf(name);
    const sent = body === undefined ? (maybe(0.05) ? pick(junkBodies) : undefined) : bodyOf(body);
    if (sent !== undefined) {
      headers['Content-Type'] = maybe(0.93)
        ? 'application/json'
        : pick([
            'text/plain',
            'application/json; charset=utf-7',
            'application/json; charset=utf-16',
            '',
            'multipart/form-data; boundary=x',
          ]);
      if (maybe(0.02)) headers['Content-Encoding'] = pick(['gzip', 'br', 'deflate', 'x']);
    }
    return {
      method: maybe(0.94) ? method : pick(['DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'POST', 'PUT', 'GET', 'TRACE']),
      path: asked.length > 0 ? `${there}?${asked.join('&')}` : there,
      headers,
      ...(sent && { body: sent }),
    };
  };
}

/** A value that a schema of the document takes. */
function valueOf(given: Json, chance: Chance): unknown {
  const ref = /^#\/components\/schemas\/(\w+)$/.exec(String(given['$ref']))?.[1];
  const { schemas } = document['components'] as { schemas: Record<string, Json> };
  const schema = ref === undefined ? given : schemas[ref]!;
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
function realistic(schema: Json, chance: Chance): unknown {
  const body = valueOf(schema, chance) as Record<string, unknown>;
  const workflow =
    chance.number() < 0.85 ? steps({ steps: 3, secondsPerStep: 0.01, seed: chance.whole(1, 20) }) : rejected();
  const { server: _, ...others } = body;
  return {
    ...others,
    type: 'image_generation',
    userId: chance.pick(['ada', 'bob']),
    ...('workflow' in body && { workflow }),
  };
}

/** The same with a field dropped, doubled under another name, or replaced by something strange, somewhere near the top. */
function changed(value: unknown, chance: Chance, depth = 0): unknown {
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

interface Heard {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What must be in no answer: our stack, ComfyUI's, or what R13 keeps back. */
const SECRETS = /Traceback|\bat \S+ \(.*:\d+:\d+\)|node_modules|clientId|"session"|"runId"/;

/** Sends requests to a gateway whose tokens are the tests’, and throws `HttpFuzzFailure` at the first wrong answer. */
export async function fuzzedHttp(url: string, seed: number) {
  const jobs = new Set<string>();
  const next = await fuzzedRequests(seed, () => [...jobs].slice(-50));

  async function once(): Promise<number> {
    const fuzzed = next();
    const answer = await heard(url, fuzzed);
    const complaint = wrongWith(fuzzed, answer);
    if (complaint !== undefined)
      throw new HttpFuzzFailure(`seed ${seed}: ${complaint}\n${described(fuzzed)}\n${answer.text.slice(0, 2000)}`);
    const promptId = /^\/jobs\/([\w-]+)$/.exec(answer.headers['location'] ?? '')?.[1];
    if (promptId !== undefined) jobs.add(promptId);
    return answer.status;
  }

  /** Sends so many, eight at a time. */
  return {
    jobs,
    async run(count: number): Promise<Statuses> {
      const statuses: Record<string, number> = {};
      let left = count;
      const lane = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const status = await once();
          statuses[status] = (statuses[status] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: 8 }, lane));
      return statuses;
    },
  };
}

function wrongWith({ method, path, headers }: FuzzedRequest, answer: Heard): string | undefined {
  const { status, text } = answer;
  if (status >= 500) return `answered ${status}`;
  if (SECRETS.test(text) && !path.endsWith('api.json')) return 'the answer tells too much';
  const plain = path.split('?')[0]!;
  const isPlain = !['.', '..'].some((each) => plain.split('/').includes(each));
  if (operationFor(method, plain) === undefined || !isPlain) return status === 405 || status < 500 ? undefined : 'odd';
  // What Node's own parser refuses never reaches us.
  if ((status === 400 || status === 431) && answer.headers['content-type'] === undefined) return undefined;
  if (headers['Range'] !== undefined && status === 416) return undefined;
  const complaints = undocumented(method, plain, { ...answer, json: {} });
  return complaints.length > 0 ? complaints.join('; ') : undefined;
}

const described = ({ method, path, headers, body }: FuzzedRequest): string =>
  `${method} ${path.slice(0, 300)}\n${JSON.stringify(headers).slice(0, 600)}\n${body?.toString('latin1').slice(0, 1000) ?? ''}`;

function heard(url: string, { method, path, headers, body }: FuzzedRequest): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const asked = sendTo({ hostname, port, method, path, headers, agent: false, timeout: PATIENCE_MS });
    asked.once('timeout', () => asked.destroy(new Error(`nothing for ${PATIENCE_MS} ms`)));
    asked.once('error', (error) => {
      // A body that nobody wants to read to its end may meet a closed door.
      if (/EPIPE|ECONNRESET/.test(error.message) && body !== undefined) resolve({ status: 0, headers: {}, text: '' });
      else
        reject(new HttpFuzzFailure(`${error.message}\n${described({ method, path, headers, ...(body && { body }) })}`));
    });
    asked.once('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      const over = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
          text: Buffer.concat(chunks).toString(),
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', over).once('close', over);
      if (response.headers['content-type']?.startsWith('text/event-stream'))
        setTimeout(() => asked.destroy(), STREAM_MS);
    });
    asked.end(body);
  });
}
