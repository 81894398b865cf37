import { Transform, type TransformCallback } from 'node:stream';
import { pipeline as flow } from 'node:stream/promises';
import { Router } from 'express';
import type { Pipeline } from '../../../pipeline/api';
import { isFile, type JobOutput } from '../../../streams/job/job-state';
import { Problem } from '../../wire/problem';
import { authenticated, onlyMethods, type ViewerHandler } from './middleware';
import { visibleJob } from '../requests/visible-job';

/** `/jobs/:promptId/outputs/:n`: a file that a job made, streamed through. */
export const outputsRoute = (pipeline: Pipeline, limitBytes: number): Router => {
  const router = Router();
  router
    .route('/jobs/:promptId/outputs/:n')
    .get(authenticated, streaming(pipeline, limitBytes))
    .all(onlyMethods('GET, HEAD'));
  return router;
};

const streaming =
  (pipeline: Pipeline, limitBytes: number): ViewerHandler<{ promptId: string; n: string }> =>
  async ({ params, method }, response) => {
    const job = await visibleJob(pipeline, response.locals.viewer, params.promptId);
    const output = /^\d{1,6}$/.test(params.n) ? await pipeline.output(job.promptId, Number(params.n)) : undefined;
    if (!output)
      throw new Problem('unknown-output', { detail: 'Outputs count from 0, in the order of the job’s `outputs`.' });
    const { body, length } = output;
    // An error of a body that nobody reads any more, as its own end is one, would end the process.
    body.on('error', () => undefined);
    if (method === 'HEAD' || (length ?? 0) > limitBytes) body.destroy();
    if ((length ?? 0) > limitBytes)
      throw new Problem('output-too-large', { detail: `The gateway passes ${limitBytes} bytes at most.` });
    const contentType = safeType(output.contentType);
    response.set({
      'Content-Type': contentType,
      'Content-Disposition': disposition(contentType, filenameOf(job.outputs?.[Number(params.n)])),
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'Cache-Control': 'private, max-age=3600',
      ...(length !== undefined && { 'Content-Length': String(length) }),
    });
    if (method === 'HEAD') return void response.end();
    // A body that breaks off has sent its head already: the connection breaks too, so that nobody takes the part for the whole.
    await flow(body, cappedAt(limitBytes), response).catch(() => response.destroy());
  };

const filenameOf = (output: JobOutput | undefined): string | undefined =>
  output !== undefined && isFile(output) ? output.filename : undefined;

/** What a browser shows by itself and cannot be a page; SVG can hold scripts. */
const safeType = (contentType: string): string => {
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

const cappedAt = (limitBytes: number): Transform => {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      passed += chunk.length;
      if (passed > limitBytes) done(new Error(`over ${limitBytes} bytes`));
      else done(null, chunk);
    },
  });
};
