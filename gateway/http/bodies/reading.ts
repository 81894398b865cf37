import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { catchError, concatMap, firstValueFrom, from, tap, throwError, timeout, toArray, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { Problem } from '../../wire/problem';

export interface Reading {
  /** Unpacked. */
  readonly mostBytes: number;
  /** Rejects where the sender's bytes are too many for now. */
  readonly weigh: (bytes: number) => Promise<void>;
}

/** A whole body, unpacked. Rejects with a `Problem`; what is left of the body is then read and dropped, so that the answer arrives. */
export async function bytesOf(request: IncomingMessage, reading: Reading): Promise<Buffer> {
  const chunks = await firstValueFrom(chunksOf(request, unpacked(request), reading).pipe(toArray()));
  return Buffer.concat(chunks);
}

/** The chunks of a body as they come, each weighed; errors with a `Problem` at a bound, a stall, or an early end. */
export function chunksOf(
  request: IncomingMessage,
  stream: Readable,
  { mostBytes, weigh }: Reading,
): Observable<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) {
    dropRest(request);
    return throwError(() => tooLarge(mostBytes));
  }
  const startedAt = performance.now();
  let bytes = 0;
  return from(stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>).pipe(
    timeout({ each: bounds.uploadStallMs, with: () => throwError(tooSlow) }),
    tap(({ length }) => {
      bytes += length;
      if (bytes > mostBytes) throw tooLarge(mostBytes);
      const tookMs = performance.now() - startedAt;
      if (tookMs > 2 * bounds.uploadStallMs && bytes / tookMs < bounds.uploadBytesPerSecond / 1000) throw tooSlow();
    }),
    concatMap((chunk) => weigh(chunk.length).then(() => chunk)),
    catchError((error: unknown) => {
      dropRest(request);
      return throwError(() => (error instanceof Problem ? error : unreadable()));
    }),
  );
}

const dropRest = (request: IncomingMessage): void => void request.unpipe().resume();

/** The request's own stream, or what it unpacks to. Throws a `Problem` for a packing that is not known. */
function unpacked(request: IncomingMessage): Readable {
  const unpacking = unpackings[(request.headers['content-encoding'] ?? 'identity').toLowerCase()];
  if (unpacking === undefined) {
    const detail = 'Send UTF-8, plain or compressed with gzip, deflate or br.';
    throw new Problem('unsupported-media-type', { detail });
  }
  const stream = unpacking(request);
  // What ends early must end what waits for more.
  if (stream !== request) request.once('close', () => request.complete || stream.destroy(new Error('aborted')));
  return stream;
}

const unpackings: Readonly<Record<string, ((packed: Readable) => Readable) | undefined>> = {
  identity: (plain) => plain,
  gzip: (packed) => packed.pipe(createGunzip()),
  deflate: (packed) => packed.pipe(createInflate()),
  br: (packed) => packed.pipe(createBrotliDecompress()),
};

const unreadable = (): Problem =>
  new Problem('bad-request', { detail: 'The body could not be read: it ended early, or is not packed as it says.' });

const tooLarge = (most: number): Problem =>
  new Problem('body-too-large', { detail: `A body may have ${most} bytes, unpacked.` });

const tooSlow = (): Problem => {
  const detail = `Send on within ${bounds.uploadStallMs / 1000} s, and ${bounds.uploadBytesPerSecond} bytes a second on average.`;
  return new Problem('body-too-slow', { detail }, { Connection: 'close' });
};
