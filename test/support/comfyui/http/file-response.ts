import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

/** A file on the server's disk. */
export interface StoredFile {
  readonly bytes: Buffer;
  readonly mimeType: string;
  readonly modified: Date;
}

/** How `/view` answers: as aiohttp does, or as proxies before it make of that. */
export type Viewing =
  'aiohttp' | 'without ranges' | 'without length' | 'compressed' | 'oddly compressed' | 'without validators';

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
  if (viewing !== 'aiohttp' || headers.range === undefined) return void response.end(bytes);
  response.setHeader('Accept-Ranges', 'bytes');
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(headers.range) ?? [];
  const first = from === '' ? Math.max(0, length - Number(to)) : Number(from);
  const last = from === '' || to === '' ? length - 1 : Math.min(Number(to), length - 1);
  if (from + to === '' || first > last) {
    return void response.writeHead(416, { 'Content-Range': `bytes */${length}` }).end();
  }
  response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${length}`, 'Content-Length': last + 1 - first });
  response.end(bytes.subarray(first, last + 1));
}
