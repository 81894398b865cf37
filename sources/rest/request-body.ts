import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

/** Characters of a body that are encoded at once: for 24 MiB that takes 30 ms, and as much memory again. */
const PIECE = 256 << 10;

const isLong = (body: string): boolean => body.length > 4 * PIECE;

/** A body as it is sent: a long one piece by piece, while the event loop goes on. */
export const sent = (body: string): string | Readable => (isLong(body) ? Readable.from(encoded(body)) : body);

/** The `content-length` of a long body: a proxy may refuse one of unknown length. */
export const lengthOf = (body = ''): Readonly<Record<string, string>> =>
  isLong(body) ? { 'content-length': `${Buffer.byteLength(body)}` } : {};

async function* encoded(body: string): AsyncGenerator<Buffer> {
  for (let [from, to] = [0, 0]; from < body.length; from = to) {
    to = Math.min(body.length, from + PIECE);
    // Half of a surrogate pair has no bytes in UTF-8.
    if (/[\ud800-\udbff]/.test(body.charAt(to - 1)) && to < body.length) to -= 1;
    yield Buffer.from(body.slice(from, to));
    await setImmediate();
  }
}
