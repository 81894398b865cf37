import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Dispatcher } from 'undici';

type Unpack = (packed: Buffer, limits: { readonly maxOutputLength: number }) => Promise<Buffer>;

/** The codings in which a proxy may pack an answer, though `identity` was asked for. */
const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** The text of an answer. Rejects as zlib does if it cannot be unpacked, or is longer than `maxBytes`. */
export async function bodyText({ body, headers }: Dispatcher.ResponseData, maxBytes: number): Promise<string> {
  const encoding = headers['content-encoding'];
  const unpack = typeof encoding === 'string' ? unpackers[encoding.trim().toLowerCase()] : undefined;
  if (unpack === undefined) return body.text();
  const packed = Buffer.from(await body.arrayBuffer());
  return packed.length === 0 ? '' : (await unpack(packed, { maxOutputLength: maxBytes })).toString();
}
