import type { Request, Response } from 'express';
import type { OutputBody } from '../../../pipeline/api';
import { isFile, type JobOutput, type JobState } from '../../../streams/job/job-state';
import type { OriginPolicy } from '../../admission/origin-policy';
import { UNKEPT } from '../security-headers';
import type { Sent } from './ranges';

/** What a browser shows by itself and cannot be a page; SVG can hold scripts. */
export const safeType = (contentType: string): string => {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  return /^(image|video|audio)\/[\w.+-]+$/.test(type) && !/svg|xml|html/.test(type) ? type : 'application/octet-stream';
};

const disposition = (contentType: string, filename = 'output'): string => {
  const how = contentType === 'application/octet-stream' ? 'attachment' : 'inline';
  const plain = filename.replace(/[^\w. -]/g, '_');
  return `${how}; filename="${plain}"; filename*=UTF-8''${extended(filename)}`;
};

/** RFC 8187's encoding. A Buffer replaces lone surrogates, at which `encodeURIComponent` throws. */
const extended = (text: string): string =>
  encodeURIComponent(Buffer.from(text).toString()).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

/** What is kept by us, not in ComfyUI's folders, never changes. */
const isKept = (output: JobOutput): boolean => !isFile(output) || output.type === 'websocket';

/** ComfyUI's own tag, or one of ours: a weak one for a file that another might have replaced. */
export const tagOf = (job: JobState, n: number, { etag, length, part }: OutputBody): string | undefined => {
  const output = job.outputs?.[n];
  const size = part ? part.size : length;
  if (etag !== undefined || output === undefined || size === undefined) return etag;
  return `${isKept(output) ? '' : 'W/'}"${job.promptId}.${job.attempt}.${n}.${size}"`;
};

/** The headers of an output, whatever of it is sent. A page that it may hold is never run. */
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

/** Takes back what describes the file, where a problem is sent in its place: nobody is to keep that, or take it for the file. */
export function undescribe(response: Response): void {
  for (const name of ['Content-Disposition', 'ETag', 'Last-Modified']) response.removeHeader(name);
  response.set('Cache-Control', UNKEPT);
}

/** Status and headers of what is sent of it. */
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
 * Lets pages of allowed origins show it in `<img>` and `<video>`, which send no `Origin` but mostly a `Referer`. Where they
 * send neither, a signed URL will do: whom it was given to, gave it to the page.
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
