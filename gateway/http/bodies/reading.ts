import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { NEVER, firstValueFrom, merge, throwError, timeout, type Observable } from 'rxjs';
import { bounds } from '../../../streams/bounds';
import { Problem } from '../../wire/problem';

export interface Reading {
  /** Most bytes of a body, after decompression. */
  readonly mostBytes: number;
  /** Counts bytes of the sender's. Rejects if the sender may send no more for now. */
  readonly weigh: (bytes: number) => Promise<void>;
  /**
   * Ends the reading when it errors. No promise: raced with each chunk, one that does not settle would keep them all.
   */
  readonly until$?: Observable<never>;
  /** How long the sender may be silent, ms; `bounds.uploadStallMs` if absent. */
  readonly stallMs?: number;
}

/**
 * The whole body, in pieces; in one piece if it has a `Content-Length` and no compression. Rejects with a `Problem`.
 */
export async function allOf(request: IncomingMessage, reading: Reading): Promise<readonly Uint8Array[]> {
  const told = Number(request.headers['content-length'] ?? 0);
  const isPlain = request.headers['content-encoding'] === undefined;
  if (!isPlain || !(told > 0 && told <= reading.mostBytes)) {
    const chunks: Buffer[] = [];
    for await (const chunk of chunksOf(request, reading)) chunks.push(chunk);
    return chunks;
  }
  // Node passes on no more bytes than `Content-Length` says.
  const whole = Buffer.allocUnsafeSlow(told);
  let length = 0;
  for await (const chunk of chunksOf(request, reading)) length += chunk.copy(whole, length);
  return [length === told ? whole : whole.subarray(0, length)];
}

/**
 * Yields the decompressed chunks of a body, each after it was weighed. Throws a `Problem` past a bound, if the sender
 * stalls or is too slow, or if the body ends early. The rest of the body is then read and dropped, so that the answer
 * arrives.
 */
export async function* chunksOf(request: IncomingMessage, reading: Reading): AsyncGenerator<Buffer> {
  const { mostBytes, weigh, until$ = NEVER, stallMs = bounds.uploadStallMs } = reading;
  const isTooSlow = pace(2 * stallMs);
  let iterator: AsyncIterableIterator<Buffer> | undefined;
  try {
    if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLarge(mostBytes);
    iterator = unpacked(request).iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
    let bytes = 0;
    for (;;) {
      const askedAt = performance.now();
      const next = await inTime(iterator.next(), stallMs, until$);
      if (next.done === true) return;
      bytes += next.value.length;
      if (bytes > mostBytes) throw tooLarge(mostBytes);
      if (isTooSlow(next.value.length, performance.now() - askedAt)) throw tooSlow();
      await weigh(next.value.length);
      yield next.value;
    }
  } catch (error) {
    throw error instanceof Problem ? error : unreadable();
  } finally {
    void iterator?.return?.();
    request.unpipe().resume();
  }
}

const inTime = <T>(next: Promise<T>, ms: number, until$: Observable<never>): Promise<T> =>
  firstValueFrom(merge(next, until$).pipe(timeout({ first: ms, with: () => throwError(() => tooSlow()) })));

/**
 * Tells whether a sender has averaged less than `bounds.uploadBytesPerSecond` whenever `ms` have been waited for it. Each
 * time counts for itself: else who sent most of a body at once could drip the rest for half an hour.
 */
const pace = (ms: number): ((bytes: number, waitedMs: number) => boolean) => {
  let [bytes, waitedMs] = [0, 0];
  return (more, moreMs) => {
    bytes += more;
    waitedMs += moreMs;
    if (waitedMs <= ms) return false;
    const isTooSlow = (1000 * bytes) / waitedMs < bounds.uploadBytesPerSecond;
    bytes = waitedMs = 0;
    return isTooSlow;
  };
};

/** The request's stream, decompressed. Throws a `Problem` for an unknown `Content-Encoding`. */
function unpacked(request: IncomingMessage): Readable {
  const unpacking = unpackings.get((request.headers['content-encoding'] ?? 'identity').toLowerCase());
  if (unpacking === undefined) {
    const detail = 'Send UTF-8, plain or compressed with gzip, deflate or br.';
    throw new Problem('unsupported-media-type', { detail });
  }
  const stream = unpacking(request);
  // If the connection ends early, end the decompressor as well: it would wait for more.
  if (stream !== request) request.once('close', () => request.complete || stream.destroy(new Error('aborted')));
  return stream;
}

/** A map: in an object, the encoding `constructor` would be found too. */
const unpackings: ReadonlyMap<string, (packed: Readable) => Readable> = new Map([
  ['identity', (plain: Readable) => plain],
  ['gzip', (packed: Readable) => packed.pipe(createGunzip())],
  ['deflate', (packed: Readable) => packed.pipe(createInflate())],
  ['br', (packed: Readable) => packed.pipe(createBrotliDecompress())],
]);

const unreadable = (): Problem =>
  new Problem('bad-request', { detail: 'The body could not be read: it ended early, or is not packed as it says.' });

const tooLarge = (most: number): Problem =>
  new Problem('body-too-large', { detail: `A body may have ${most} bytes, unpacked.` });

const tooSlow = (): Problem => {
  const detail = `Send on within ${bounds.uploadStallMs / 1000} s, and ${bounds.uploadBytesPerSecond} bytes a second on average over ${(2 * bounds.uploadStallMs) / 1000} s.`;
  return new Problem('body-too-slow', { detail }, { Connection: 'close' });
};
