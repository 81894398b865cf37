import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { NoAnswer } from '../rest/no-answer';
import type { Rest } from '../rest/rest';

/** A job's output on its way from ComfyUI. */
export interface OutputBody {
  readonly body: Readable;
  readonly contentType: string;
  /** Bytes of the body, where they are known. */
  readonly length?: number;
  /** Which part of the file the body is, first and last byte; absent where it is the whole file. */
  readonly part?: { readonly first: number; readonly last: number; readonly size?: number };
  /** The headers `ETag` and `Last-Modified`, if ComfyUI sends them. */
  readonly etag?: string;
  readonly lastModified?: string;
}

/** Where a file is, as ComfyUI names it. */
export interface FileName {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

type Opened = Awaited<ReturnType<Rest['open']>>;

/** A single range: to several, aiohttp answers 416. */
const ONE_RANGE = /^bytes=(\d{1,15}-\d{0,15}|-\d{1,15})$/;

/**
 * Opens a file of a ComfyUI; resolves `undefined` if it has no such file, and rejects with `NoAnswer`. Passes `range`
 * on; if it is not served, the whole file comes. What a proxy compressed on the way is unpacked.
 */
export const view =
  (open: Rest['open']) =>
  async ({ filename, subfolder, type }: FileName, range?: string): Promise<OutputBody | undefined> => {
    const path = `/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`;
    if (range !== undefined && ONE_RANGE.test(range)) {
      const answer = await open(path, range);
      const part = answer.statusCode === 206 ? partOf(answer, range) : undefined;
      if (part) return { ...described(answer), body: answer.body, part };
      if (answer.statusCode === 200) return whole(answer);
      // After a 416, a wrong `Content-Range` or a part of what is compressed, asks for the whole file.
      drop(answer);
    }
    const answer = await open(path);
    if (answer.statusCode === 200) return whole(answer);
    drop(answer);
    if (answer.statusCode === 404) return undefined;
    throw new NoAnswer(`/view: status ${answer.statusCode}`, true);
  };

/** How long a body that is not wanted may take to end before its connection is broken, ms. */
const DROP_MS = 1_000;

/** Nobody waits for what is dropped: of a body that drips for ever, who asked would hold his turn for ever. */
const drop = ({ body }: Opened): void =>
  void body.dump({ limit: 65_536, signal: AbortSignal.timeout(DROP_MS) }).catch(() => undefined);

const UNPACKED: ReadonlyMap<string, () => NodeJS.ReadWriteStream & Readable> = new Map<
  string,
  () => NodeJS.ReadWriteStream & Readable
>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

function whole(answer: Opened): OutputBody {
  const coding = codingOf(answer);
  if (coding === undefined) return { ...described(answer), body: answer.body };
  const unpack = UNPACKED.get(coding)?.();
  if (!unpack) {
    answer.body.destroy();
    throw new NoAnswer('/view: a content coding that nobody asked for', true);
  }
  answer.body.on('error', (error: Error) => unpack.destroy(error));
  unpack.once('close', () => answer.body.destroy());
  const { contentType, etag, lastModified } = described(answer);
  // The tag is that of the compressed bytes, and so is only weak here.
  const weak = etag === undefined ? {} : { etag: etag.replace(/^"/, 'W/"') };
  return { body: answer.body.pipe(unpack), contentType, ...weak, ...(lastModified !== undefined && { lastModified }) };
}

function described({ headers }: Opened): Omit<OutputBody, 'body'> {
  const length = Number(headers['content-length'] ?? NaN);
  const etag = String(headers['etag'] ?? '');
  const modified = Date.parse(String(headers['last-modified'] ?? ''));
  return {
    contentType: String(headers['content-type'] ?? 'application/octet-stream'),
    ...(Number.isSafeInteger(length) && length >= 0 && { length }),
    ...(/^(W\/)?"[\x21\x23-\x7e]{1,200}"$/.test(etag) && { etag }),
    ...(Number.isFinite(modified) && { lastModified: new Date(modified).toUTCString() }),
  };
}

const codingOf = ({ headers }: Opened): string | undefined => {
  const coding = String(headers['content-encoding'] ?? 'identity').toLowerCase();
  return coding === 'identity' ? undefined : coding;
};

/** Which part it is; `undefined` if its headers contradict each other, or it is none that `range` asks for. */
function partOf(answer: Opened, range: string): OutputBody['part'] {
  const content = String(answer.headers['content-range']);
  const [, ...numbers] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(content) ?? [];
  if (numbers.length === 0 || codingOf(answer) !== undefined) return undefined;
  const [first, last, size] = numbers.map(Number) as [number, number, number];
  const { length = last + 1 - first } = described(answer);
  const isSound = last >= first && length === last + 1 - first && !(size <= last);
  const from = /^bytes=(\d+)/.exec(range)?.[1];
  if (!isSound || (from !== undefined && Number(from) !== first)) return undefined;
  return { first, last, ...(Number.isFinite(size) && { size }) };
}
