import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Request } from 'express';
import type { OutputBody } from '../../../pipeline/api';

/** What of a file is to be sent: the whole, a part of what is open, or nothing, as there is no such part. */
export type Wanted =
  | { readonly tag: 'whole' }
  | { readonly tag: 'part'; readonly first: number; readonly last: number; readonly size?: number }
  | { readonly tag: 'none'; readonly size: number };

const WHOLE: Wanted = { tag: 'whole' };

/** The `Range` that is asked for. To a method other than GET it means nothing (RFC 9110, 14.2). */
export const rangeOf = ({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): string | undefined =>
  method === 'GET' && /^bytes=[\d\s,-]{1,500}$/.test(headers.range ?? '') ? headers.range : undefined;

/** Whether the part asked for is one of the file that the caller has begun to read; a weak tag proves nothing (RFC 9110, 13.1.5). */
export const isOfSame = (
  { headers }: IncomingMessage,
  { etag, lastModified }: Pick<OutputBody, 'etag' | 'lastModified'>,
): boolean => {
  const condition = headers['if-range'];
  if (condition === undefined) return true;
  return /^"/.test(String(condition)) ? condition === etag : condition === lastModified;
};

/**
 * What to send of an open output. Where it was opened as a whole, a single range is cut out of it, if its size is known. Of
 * several ranges the whole is sent, as RFC 9110 allows and every player takes.
 */
export function wantedOf(request: Pick<Request, 'range' | 'method' | 'headers'>, { part, length }: OutputBody): Wanted {
  if (part) return { tag: 'part', ...part };
  if (rangeOf(request) === undefined || length === undefined) return WHOLE;
  const ranges = request.range(length, { combine: true });
  if (ranges === -1) return { tag: 'none', size: length };
  const [range, ...others] = Array.isArray(ranges) ? ranges : [];
  return range === undefined || others.length > 0
    ? WHOLE
    : { tag: 'part', first: range.start, last: range.end, size: length };
}

/** The bytes from `first` to `last`; the body is left as soon as they were read. */
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
