import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { OutputBody } from '../../../pipeline/api';

/** What to send of a file: the whole, the bytes `first` to `last`, or nothing, because it has no such bytes. */
export type Wanted =
  | { readonly tag: 'whole' }
  | { readonly tag: 'part'; readonly first: number; readonly last: number; readonly size?: number }
  | { readonly tag: 'none'; readonly size: number };

/** `Wanted`, if anything is sent. */
export type Sent = Exclude<Wanted, { readonly tag: 'none' }>;

const WHOLE: Wanted = { tag: 'whole' };

/** The request's `Range`, if it counts bytes; a method other than GET ignores it (RFC 9110, 14.2). */
export const rangeOf = ({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): string | undefined =>
  method === 'GET' && /^bytes=[\d\s,-]{1,500}$/.test(headers.range ?? '') ? headers.range : undefined;

/** Whether `If-Range` names this version of the file, or is absent; a weak tag never matches (RFC 9110, 13.1.5). */
export const isOfSame = (
  { headers }: IncomingMessage,
  { etag, lastModified }: Pick<OutputBody, 'etag' | 'lastModified'>,
): boolean => {
  const condition = headers['if-range'];
  if (condition === undefined) return true;
  return /^"/.test(String(condition)) ? condition === etag : condition === lastModified;
};

/**
 * What to send of an open output. If it was opened whole and its size is known, the range is cut out of it. Several
 * ranges that neither touch nor overlap get the whole file, which RFC 9110 allows and every player takes.
 */
export function wantedOf(range: string | undefined, { part, length }: OutputBody): Wanted {
  if (part) return { tag: 'part', ...part };
  const asked = range === undefined || length === undefined ? undefined : spansIn(range, length);
  if (asked === undefined || length === undefined) return WHOLE;
  const [first, ...others] = asked.filter((span) => span.first < length).sort((a, b) => a.first - b.first);
  if (first === undefined) return { tag: 'none', size: length };
  let { last } = first;
  for (const next of others) {
    if (next.first > last + 1) return WHOLE;
    last = Math.max(last, next.last);
  }
  return { tag: 'part', first: first.first, last, size: length };
}

interface Span {
  readonly first: number;
  readonly last: number;
}

/** The ranges of a `Range` header; `undefined` if one of them is malformed, which makes the whole header void. */
function spansIn(range: string, size: number): readonly Span[] | undefined {
  const spans = range
    .slice('bytes='.length)
    .split(',')
    .map((text) => spanIn(text.trim(), size));
  return spans.includes(undefined) ? undefined : spans.filter((span) => span !== undefined);
}

function spanIn(text: string, size: number): Span | undefined {
  const [, from = '', to = ''] = /^(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  if (from === '')
    return to === '' ? undefined : { first: Number(to) === 0 ? size : Math.max(0, size - Number(to)), last: size - 1 };
  if (to !== '' && Number(to) < Number(from)) return undefined;
  return { first: Number(from), last: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

/** The bytes from `first` to `last`, both included. Closes the body once they are read. */
export async function* slice(body: Readable, first: number, last: number): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of body) {
    const bytes = chunk as Buffer;
    const begin = at;
    at += bytes.length;
    if (at > first) yield bytes.subarray(Math.max(0, first - begin), last + 1 - begin);
    if (at > last) return;
  }
}
