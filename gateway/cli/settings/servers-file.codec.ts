import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as E from 'fp-ts/Either';
import * as t from 'io-ts';

/** A server's name. It cannot look like a URL, because either may name a server. */
const Name = t.refinement(t.string, (name) => /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u.test(name), 'Name');

/** A server as a file describes it. */
const server = t.intersection([
  t.type({ url: t.string }),
  t.partial({ name: Name, headers: t.record(t.string, t.string), tags: t.array(t.string) }),
]);
export type DescribedServer = t.TypeOf<typeof server>;

const FIELDS = ['url', 'name', 'headers', 'tags'];
const WANTED = 'must hold a JSON list of {"url", "name"?, "headers"?, "tags"?}';

/** Whether the setting names a file rather than a server. */
export const namesFile = (text: string): boolean => text.startsWith('file:') || /^[^,:]+\.json$/.test(text);

/** The servers that a file describes, or what is wrong with the file; never a header's value, which may be secret. */
export function serversIn(text: string): E.Either<string, readonly DescribedServer[]> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(text.startsWith('file:') ? fileURLToPath(text) : text, 'utf8'));
  } catch (error) {
    return E.left(
      error instanceof SyntaxError ? `names a file that is no JSON; it ${WANTED}` : 'names a file that cannot be read',
    );
  }
  if (!Array.isArray(json) || json.length === 0) return E.left(`names a file that ${WANTED}`);
  const bad = json.findIndex((each) => !server.is(each) || Object.keys(each).some((field) => !FIELDS.includes(field)));
  return bad < 0
    ? E.right(json as readonly DescribedServer[])
    : E.left(`names a file whose no. ${bad + 1} is wrong; it ${WANTED}`);
}
