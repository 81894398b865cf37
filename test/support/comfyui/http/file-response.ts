import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

/** A file on the server's disk. */
export interface StoredFile {
  readonly bytes: Buffer;
  readonly mimeType: string;
  readonly modified: Date;
}

/** How `/view` answers: as aiohttp does, as proxies before it make of that, or as one that tells of another part than it sends. */
export type Viewing =
  | ('aiohttp' | 'without ranges' | 'without length' | 'compressed' | 'oddly compressed' | 'without validators')
  | keyof typeof lies;

/** By how many bytes a part is off at its start and at its end, and what `Content-Range` says of it. */
const lies = {
  'a longer part': { start: 0, end: 10, range: (range: string) => range },
  'a shorter part': { start: 0, end: -1, range: (range: string) => range },
  'another part': { start: 1, end: 1, range: (_: string, first: number, last: number) => `${first + 1}-${last + 1}/*` },
  'a part beyond the end': {
    start: 0,
    end: 0,
    range: (_: string, first: number, last: number) => `${first}-${last}/1`,
  },
  'a part without end': { start: 0, end: 0, range: (_: string, first: number) => `${first}-${'9'.repeat(26)}/*` },
};

/** Answers with a file as aiohttp's `FileResponse` does: one range and no more, and `If-Range` looked at for a date only. */
export function sendFile(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { bytes, mimeType, modified }: StoredFile,
  viewing: Viewing,
): void {
  const length = bytes.length;
  response.setHeader('Content-Type', mimeType);
  if (viewing !== 'without validators') {
    response.setHeader('ETag', `"${(modified.getTime() * 1e6).toString(16)}-${length.toString(16)}"`);
    response.setHeader('Last-Modified', modified.toUTCString());
  }
  if (viewing === 'compressed') return void response.setHeader('Content-Encoding', 'gzip').end(gzipSync(bytes));
  // A coding that nobody knows, called as what every object has.
  if (viewing === 'oddly compressed') return void response.setHeader('Content-Encoding', 'constructor').end(bytes);
  if (viewing === 'without length') {
    response.write(bytes.subarray(0, length >> 1));
    return void response.end(bytes.subarray(length >> 1));
  }
  const lie = Object.hasOwn(lies, viewing) ? lies[viewing as keyof typeof lies] : undefined;
  if ((viewing !== 'aiohttp' && lie === undefined) || headers.range === undefined) return void response.end(bytes);
  response.setHeader('Accept-Ranges', 'bytes');
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(headers.range) ?? [];
  const first = from === '' ? Math.max(0, length - Number(to)) : Number(from);
  const last = from === '' || to === '' ? length - 1 : Math.min(Number(to), length - 1);
  if (from + to === '' || first > last) {
    return void response.writeHead(416, { 'Content-Range': `bytes */${length}` }).end();
  }
  if (lie !== undefined) {
    const range = lie.range(`${first}-${last}/${length}`, first, last);
    // In chunks: a `Content-Length` that does not fit would be found out by whoever reads it.
    response.writeHead(206, { 'Content-Range': `bytes ${range}` }).flushHeaders();
    return void response.end(bytes.subarray(first + lie.start, last + 1 + lie.end));
  }
  response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${length}`, 'Content-Length': last + 1 - first });
  response.end(bytes.subarray(first, last + 1));
}
