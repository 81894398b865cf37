import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

/** Characters of a body that are encoded at once: for 24 MiB that takes 30 ms, and as much memory again. */
const PIECE = 256 << 10;

const isLong = (body: string): boolean => body.length > 4 * PIECE;

/** The body of a request. */
export interface Body {
  readonly text: string;
  /**
   * Throws if it must not be sent any more, and the server then has not got it: called once a connection is free, and
   * before each piece. A request waits for one of 8 connections for as long as those wait for their answers: 90 s, say.
   */
  readonly assertWanted?: (() => void) | undefined;
}

/** A body as it is sent: a long one piece by piece, while the event loop goes on. */
export const sent = (body: Body): string | Readable => (inPieces(body) ? Readable.from(encoded(body)) : body.text);

/** The `content-length` of a body in pieces: a proxy may refuse one of unknown length. */
export const lengthOf = (body: Body): Readonly<Record<string, string>> =>
  inPieces(body) ? { 'content-length': `${Buffer.byteLength(body.text)}` } : {};

const inPieces = ({ text, assertWanted }: Body): boolean => assertWanted !== undefined || isLong(text);

async function* encoded({ text: body, assertWanted }: Body): AsyncGenerator<Buffer> {
  for (let [from, to] = [0, 0]; from < body.length; from = to) {
    assertWanted?.();
    to = Math.min(body.length, from + PIECE);
    // Half of a surrogate pair has no bytes in UTF-8.
    if (/[\ud800-\udbff]/.test(body.charAt(to - 1)) && to < body.length) to -= 1;
    yield Buffer.from(body.slice(from, to));
    await setImmediate();
  }
}
