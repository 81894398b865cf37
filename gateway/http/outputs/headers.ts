import type { Request, Response } from 'express';
import type { OutputBody } from '../../../pipeline/api';
import { isFile, type JobOutput, type JobState } from '../../../streams/job/job-state';
import type { OriginPolicy } from '../../admission/origin-policy';
import { UNKEPT } from '../security-headers';
import type { Sent } from './ranges';

/** An image, video or audio type as it is, else `application/octet-stream`; SVG too, because it can hold scripts. */
export const safeType = (contentType: string): string => {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  return /^(image|video|audio)\/[\w.+-]+$/.test(type) && !/svg|xml|html/.test(type) ? type : 'application/octet-stream';
};

/** What turns the letters after it round: `gnp.exe` after U+202E is shown as `exe.png`. */
const TURNING = /\p{Bidi_Control}/gu;

const disposition = (contentType: string, given = 'output'): string => {
  const filename = given.replace(TURNING, '_');
  const how = contentType === 'application/octet-stream' ? 'attachment' : 'inline';
  const plain = filename.replace(/[^\w. -]/g, '_');
  return `${how}; filename="${plain}"; filename*=UTF-8''${extended(filename)}`;
};

/** RFC 8187's encoding. A Buffer replaces lone surrogates, at which `encodeURIComponent` throws. */
const extended = (text: string): string =>
  encodeURIComponent(Buffer.from(text).toString()).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

/** Whether our store holds the output (a text, or an image that came over a socket): then it never changes. */
const isKept = (output: JobOutput): boolean => !isFile(output) || output.type === 'websocket';

/** ComfyUI's `ETag`, or one of ours: a weak one for a file in ComfyUI's folders, which another file may replace. */
export const tagOf = (job: JobState, n: number, { etag, length, part }: OutputBody): string | undefined => {
  const output = job.outputs?.[n];
  const size = part ? part.size : length;
  if (etag !== undefined || output === undefined || size === undefined) return etag;
  return `${isKept(output) ? '' : 'W/'}"${job.promptId}.${job.attempt}.${n}.${size}"`;
};

/** Sets the headers that describe an output. Its `Content-Security-Policy` keeps scripts in it from running. */
export function describe(response: Response, output: OutputBody & { readonly filename: string | undefined }): void {
  const { contentType, filename, etag, lastModified } = output;
  response.set({
    'Content-Type': contentType,
    'Content-Disposition': disposition(contentType, filename),
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Cache-Control': 'private, max-age=3600',
    'Accept-Ranges': 'bytes',
    ...(etag !== undefined && { ETag: etag }),
    ...(lastModified !== undefined && { 'Last-Modified': lastModified }),
  });
}

/** Removes the headers that describe the file, for a problem sent in its place: it must not be cached as the file. */
export function undescribe(response: Response): void {
  for (const name of ['Content-Disposition', 'ETag', 'Last-Modified']) response.removeHeader(name);
  response.set('Cache-Control', UNKEPT);
}

/** Sets the status and the headers of length: 206 and `Content-Range` for a part. */
export function announce(response: Response, wanted: Sent, length: number | undefined): void {
  if (wanted.tag === 'whole') {
    if (length !== undefined) response.set('Content-Length', String(length));
  } else {
    const { first, last, size = '*' } = wanted;
    response.status(206).set({
      'Content-Range': `bytes ${first}-${last}/${size}`,
      'Content-Length': String(last + 1 - first),
    });
  }
}

/**
 * Lets pages of allowed origins show the output in `<img>` and `<video>`, which send no `Origin` but mostly a
 * `Referer`. If a request has neither, a signed URL suffices: the user whom it was signed for gave it to the page.
 */
export function share(
  { headers }: Pick<Request, 'headers'>,
  response: Response,
  policy: OriginPolicy,
  isSigned: boolean,
): void {
  const page = headers.origin ?? originOf(headers.referer);
  const isAllowed = page === undefined ? isSigned : policy.allows(page);
  response.set('Cross-Origin-Resource-Policy', isAllowed ? 'cross-origin' : 'same-origin').vary('Referer');
}

const originOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) ? new URL(url).origin : undefined;
