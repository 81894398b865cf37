import { Readable } from 'node:stream';
import { Router, type RequestHandler, type Response } from 'express';
import type { OutputBody, Pipeline } from '../../../pipeline/api';
import { isFile, type JobOutput, type JobState } from '../../../streams/job/job-state';
import type { OriginPolicy } from '../../admission/origin-policy';
import { Problem, unknownJob } from '../../wire/problem';
import { prefixOf } from '../base-path';
import type { Downloads, Turn } from '../outputs/downloads';
import { announce, describe, safeType, share, tagOf, undescribe } from '../outputs/headers';
import { isOfSame, rangeOf, wantedOf } from '../outputs/ranges';
import { send, type SendingLimits } from '../outputs/sending';
import type { UrlSigner } from '../outputs/signed-urls';
import { visibleJob } from '../requests/visible-job';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from './middleware';

export interface OutputsOptions {
  readonly pipeline: Pipeline;
  readonly policy: OriginPolicy;
  readonly downloads: Downloads;
  readonly signer: UrlSigner;
  readonly sending: SendingLimits;
}

type OutputParams = { readonly promptId: string; readonly n: string };

type OutputRequest = Parameters<ViewerHandler<OutputParams>>[0];

const PATH = '/jobs/:promptId/outputs/:n';

/**
 * `/jobs/:promptId/outputs/:n`: an output, streamed, whole or in part. `…/url`: a signed URL for `<img>` and `<video>`.
 */
export const outputsRoute = (options: OutputsOptions): Router => {
  const router = Router();
  router.route(PATH).get(refusingSignatures, authenticated, reading(options)).all(onlyMethods('GET, HEAD'));
  router.route(`${PATH}/url`).post(authenticated, withoutQuery, signing(options)).all(onlyMethods('POST'));
  return router;
};

/** Identifies the caller by a URL's signature. Stands before admission, which counts the request as the user's. */
export const signedViewers = (signer: UrlSigner): Router => {
  const admitting: RequestHandler<OutputParams> = async ({ params, query }, response, next) => {
    const { signature } = query;
    if (typeof signature === 'string' && /^\d{1,6}$/.test(params.n)) {
      const of = { promptId: params.promptId, n: Number(params.n) };
      const viewer = await signer.viewerOf(signature, of);
      if (viewer) Object.assign(response.locals, { viewer, isSigned: true });
    }
    next();
  };
  return Router().get(PATH, admitting);
};

/** Answers a bad signature with `unknown-job`, whether the job exists or not (R14). */
const refusingSignatures: RequestHandler<OutputParams> = ({ query }, { locals }, next) => {
  if (query['signature'] !== undefined && locals['viewer'] === undefined) throw unknownJob();
  next();
};

const signing =
  ({ pipeline, signer }: OutputsOptions): ViewerHandler<OutputParams> =>
  async ({ params }, response) => {
    const job = await visibleJob(pipeline, response.locals.viewer, params.promptId);
    const n = numberIn(params.n);
    const output = n === undefined ? undefined : job.outputs?.[n];
    // The outputs of a job that reports itself are names and URLs of files elsewhere: the gateway has no bytes to
    // serve.
    if (n === undefined || output === undefined || isReported(output)) throw unknownOutput();
    const { promptId, userId } = job;
    const { signature, until } = await signer.sign({ promptId, userId, n });
    const path = `/jobs/${encodeURIComponent(promptId)}/outputs/${n}`;
    response.json({ url: `${prefixOf(response)}${path}?signature=${signature}`, expiresAt: until });
  };

const reading =
  (options: OutputsOptions): ViewerHandler<OutputParams> =>
  async (request, response) => {
    const { viewer } = response.locals;
    const job = await visibleJob(options.pipeline, viewer, request.params.promptId);
    const turn = await options.downloads.turn({
      ...(viewer.role === 'user' && { userId: viewer.userId }),
      serverUrl: job.serverUrl,
      cut: () => response.destroy(),
    });
    try {
      await answer(options, request, response, job, turn);
    } finally {
      turn.over();
    }
  };

async function answer(
  { pipeline, policy, sending }: OutputsOptions,
  request: OutputRequest,
  response: Response,
  job: JobState,
  turn: Turn,
): Promise<void> {
  const n = numberIn(request.params.n);
  const output = n === undefined || response.destroyed ? undefined : await opened(pipeline, request, job, n);
  if (!output || n === undefined) throw unknownOutput();
  const { body, part, length } = output;
  // A body that is destroyed may emit an error; without a listener that would end the process.
  body.on('error', () => undefined);
  const size = part?.size ?? length ?? 0;
  if (size > sending.bytes) {
    body.destroy();
    throw new Problem('output-too-large', {
      detail: `It has ${size} bytes, and the gateway passes ${sending.bytes} at most; see MAX_OUTPUT_BYTES.`,
    });
  }
  describe(response, { ...output, filename: filenameOf(job.outputs?.[n]) });
  share(request, response, policy, response.locals['isSigned'] === true);
  // `fetch` adds `no-cache` to conditional requests, for caches on the way. It would make `request.fresh` false, but
  // here tags are compared with ComfyUI's own.
  delete request.headers['cache-control'];
  const isKnown = request.fresh;
  const wanted = isKnown ? ({ tag: 'whole' } as const) : wantedOf(rangeOf(request), output);
  if (wanted.tag === 'none') {
    body.destroy();
    undescribe(response);
    throw noSuchRange(wanted.size);
  }
  if (isKnown) response.status(304).removeHeader('Content-Type');
  else announce(response, wanted, length);
  if (!isKnown && request.method === 'GET') return send(response, output, wanted, sending, turn);
  body.destroy();
  response.end();
}

/** The output, or the part that `Range` asks for; the whole if `If-Range` names another version of the file. */
async function opened(
  pipeline: Pipeline,
  request: OutputRequest,
  job: JobState,
  n: number,
): Promise<OutputBody | undefined> {
  const text = textOf(job, n);
  if (text !== undefined) {
    const bytes = Buffer.from(text);
    return tagged(job, n, { body: Readable.from([bytes]), contentType: 'text/plain', length: bytes.length });
  }
  const typed = (output: OutputBody | undefined): OutputBody | undefined =>
    output && tagged(job, n, { ...output, contentType: safeType(output.contentType) });
  const output = typed(await pipeline.output(job.promptId, n, rangeOf(request)));
  if (output === undefined || isOfSame(request, output)) return output;
  delete request.headers.range;
  if (!output.part) return output;
  output.body.on('error', () => undefined).destroy();
  return typed(await pipeline.output(job.promptId, n));
}

const tagged = (job: JobState, n: number, output: OutputBody): OutputBody => {
  const etag = tagOf(job, n, output);
  return etag === undefined ? output : { ...output, etag };
};

const filenameOf = (output: JobOutput | undefined): string | undefined =>
  output !== undefined && isFile(output) ? output.filename : undefined;

const isReported = (output: JobOutput): boolean => isFile(output) && output.type === 'reported';

/** The text of an output that is one: it stands in the state itself. */
const textOf = ({ outputs }: JobState, n: number): string | undefined => {
  const output = outputs?.[n];
  return output === undefined || isFile(output) ? undefined : output.text;
};

const numberIn = (text: string): number | undefined => (/^\d{1,6}$/.test(text) ? Number(text) : undefined);

const unknownOutput = (): Problem =>
  new Problem('unknown-output', { detail: 'Outputs count from 0, in the order of the job’s `outputs`.' });

const noSuchRange = (size: number): Problem =>
  new Problem('no-such-range', { detail: `It has ${size} bytes.` }, { 'Content-Range': `bytes */${size}` });
