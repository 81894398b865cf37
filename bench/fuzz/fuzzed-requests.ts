import type { OutgoingHttpHeaders } from 'node:http';
import { operationFor, operations } from '../../test/gateway/support/http/documented';
import { tokenOf } from '../../test/gateway/support/admission/tokens';
import { seeded, type Chance } from '../../test/system/seeded';
import { changed, junkBodies, realistic, strange, strangeIds, valueOf, type Json } from './fuzzed-values';

/** One request, as it goes out. */
export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

/** Requests made from the document, one after another for a seed: as it wants them, with something changed, or hostile. */
export async function fuzzedRequests(seed: number, known: () => readonly string[]): Promise<() => FuzzedRequest> {
  const tokens = await Promise.all([
    tokenOf({ sub: 'ada' }),
    tokenOf({ sub: 'bob' }),
    tokenOf({ sub: 'app', role: 'service' }),
  ]);
  const stale = await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' });
  const making = new RequestMaker(seeded(seed), known, tokens, stale);
  return () => making.next();
}

const METHODS = ['DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'POST', 'PUT', 'GET', 'TRACE'];
const CONTENT_TYPES = [
  'text/plain',
  'application/json; charset=utf-7',
  'application/json; charset=utf-16',
  '',
  'multipart/form-data; boundary=x',
];

class RequestMaker {
  readonly #chance: Chance;
  readonly #known: () => readonly string[];
  readonly #tokens: readonly string[];
  readonly #stale: string;

  constructor(chance: Chance, known: () => readonly string[], tokens: readonly string[], stale: string) {
    this.#chance = chance;
    this.#known = known;
    this.#tokens = tokens;
    this.#stale = stale;
  }

  next(): FuzzedRequest {
    const operation = this.#maybe(0.15) ? operationFor('POST', '/jobs')! : this.#pick(operations);
    const { path, method, parameters, body } = operation;
    const query = parameters.filter((each) => each.in === 'query' && this.#maybe(0.4));
    const there = path.replace(/\{(\w+)\}/g, (_, name: string) =>
      this.#inPath(name, parameters.find((each) => each.name === name)?.schema ?? {}),
    );
    const asked = query.flatMap(({ name, schema }) => this.#inQuery(name, schema));
    const headers = this.#headers();
    for (const { name } of parameters.filter((each) => each.in === 'header' && this.#maybe(0.4)))
      headers[name] = this.#headerOf(name);
    const sent = this.#bodyFor(body);
    if (sent !== undefined) Object.assign(headers, this.#bodyHeaders());
    return {
      method: this.#maybe(0.94) ? method : this.#pick(METHODS),
      path: asked.length > 0 ? `${there}?${asked.join('&')}` : there,
      headers,
      ...(sent && { body: sent }),
    };
  }

  #pick<T>(some: readonly T[]): T {
    return this.#chance.pick(some);
  }

  #maybe(odds: number): boolean {
    return this.#chance.number() < odds;
  }

  #id(): string {
    if (this.#known().length > 0 && this.#maybe(0.6)) return this.#pick(this.#known());
    return this.#maybe(0.5) ? '6b3d5a2e-0d6c-4c55-9a55-8d0e3c1f2a10' : this.#pick(strangeIds);
  }

  #inPath(name: string, schema: Json): string {
    if (name === 'promptId') return this.#id();
    if (this.#maybe(0.7)) return String(valueOf(schema, this.#chance));
    return this.#pick(['-1', '1e3', '0x1', '999999999', ...strangeIds]);
  }

  #inQuery(name: string, schema: Json): readonly string[] {
    const value = this.#maybe(0.75) ? valueOf(schema, this.#chance) : this.#pick(strange);
    const text = encodeURIComponent(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString());
    const whole = `${this.#maybe(0.95) ? name : `${name}[x]`}=${text}`;
    return this.#maybe(0.1) ? [whole, whole] : [whole];
  }

  /** What every request may carry. */
  #headers(): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {};
    const token = () => (this.#maybe(0.9) ? this.#pick(this.#tokens) : this.#pick([this.#stale, 'junk', 'a.b.c']));
    if (!this.#maybe(0.05)) headers['Authorization'] = `Bearer ${token()}`;
    if (this.#maybe(0.03)) headers['Origin'] = this.#pick(['null', 'https://evil.example', 'http://127.0.0.1']);
    if (this.#maybe(0.02)) headers['Accept-Encoding'] = 'br;q=1.0, x';
    if (this.#maybe(0.02)) headers['Range'] = 'bytes=5-1';
    return headers;
  }

  #headerOf(name: string): string {
    if (name === 'Idempotency-Key')
      return this.#pick(['a', 'b', 'c', 'x'.repeat(255), 'x'.repeat(256), '', 'a b', '"q"', '\u00e9']);
    return this.#pick(['1:1', '0:0', '9999999999999999:9999999999999999', '-1', '', 'x'.repeat(3000)]);
  }

  /** Now and then a body where the document wants none. */
  #bodyFor(schema: Json | undefined): Buffer | undefined {
    if (schema !== undefined) return this.#bodyOf(schema);
    return this.#maybe(0.05) ? this.#pick(junkBodies) : undefined;
  }

  #bodyOf(schema: Json): Buffer {
    const chance = this.#chance;
    if (this.#maybe(0.1)) return this.#pick(junkBodies);
    let body = this.#maybe(0.6) ? realistic(schema, chance) : valueOf(schema, chance);
    for (let times = this.#maybe(0.5) ? 0 : chance.whole(1, 3); times > 0; times -= 1) body = changed(body, chance);
    const bytes = Buffer.from(JSON.stringify(body));
    if (this.#maybe(0.03)) return bytes.subarray(0, chance.whole(0, bytes.length));
    if (this.#maybe(0.03) && bytes.length > 0) bytes[chance.whole(0, bytes.length - 1)] = chance.whole(0, 255);
    return bytes;
  }

  #bodyHeaders(): OutgoingHttpHeaders {
    const type = this.#maybe(0.93) ? 'application/json' : this.#pick(CONTENT_TYPES);
    const encoding = this.#maybe(0.02) ? { 'Content-Encoding': this.#pick(['gzip', 'br', 'deflate', 'x']) } : {};
    return { 'Content-Type': type, ...encoding };
  }
}
