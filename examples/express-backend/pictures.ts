import express, { type Express, type Request, type Response } from 'express';
import { pipeline as piped } from 'node:stream/promises';
import { InvalidRequest, TooManyJobs, isSettled, type JobState, type Pipeline, type Workflow } from '../../index'; // in an application: 'comfyui-jobstream'

export interface PicturesOptions {
  readonly pipeline: Pipeline;
  /** Who asks, by the application's own session; `undefined` for nobody. */
  readonly userOf: (request: Request) => string | undefined;
  /** The application's own workflow for a wish, in API format. */
  readonly workflowFor: (wish: string) => Workflow;
}

/** What a page is told of a job: no address of a server, no other user's id. */
const told = ({ promptId, status, progress, node, etaMs, outputs = [], failure }: JobState) => ({
  id: promptId,
  status,
  progress,
  step: node?.title ?? node?.type,
  etaMs,
  failure: failure?.message,
  pictures: outputs.map((_, n) => `/pictures/${promptId}/${n}`),
});

/** A backend that makes pictures for users of its own. */
export function pictures(options: PicturesOptions): Express {
  const { pipeline, userOf } = options;
  const app = express();
  /** The job, where it is the caller's; another's is as one that does not exist. */
  const ownJob = async (request: Request<{ id: string }>): Promise<JobState | undefined> =>
    pipeline
      .get(request.params.id, ({ userId }) => userId === userOf(request))
      .then((job) => (job?.userId === userOf(request) ? job : undefined));

  app.use((request, response, next) => {
    if (userOf(request) === undefined) response.status(401).json({ error: 'Log in first.' });
    else next();
  });

  app.post('/pictures', express.json({ limit: '16kb' }), (request, response) => submitted(options, request, response));

  app.get('/pictures/:id/events', async (request, response) => {
    if (!(await ownJob(request))) return void response.status(404).end();
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    const watching = pipeline.watch(request.params.id).subscribe({
      next: (job) => void response.write(`data: ${JSON.stringify(told(job))}\n\n`),
      error: () => response.end(),
      complete: () => response.end(),
    });
    response.once('close', () => watching.unsubscribe());
  });

  app.delete('/pictures/:id', async (request, response) => {
    const job = await ownJob(request);
    if (!job) return void response.status(404).end();
    const now = (await pipeline.cancel(job.promptId)) ?? job;
    response.status(isSettled(now) ? 200 : 202).json(told(now));
  });

  app.get('/pictures/:id/:n', async (request, response) => {
    const output = (await ownJob(request)) && (await pipeline.output(request.params.id, Number(request.params.n)));
    if (!output) return void response.status(404).end();
    response.set({
      'Content-Type': output.contentType,
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': 'sandbox',
    });
    // A reader that left needs no answer.
    await piped(output.body, response).catch(() => response.destroy());
  });
  return app;
}

async function submitted(
  { pipeline, userOf, workflowFor }: PicturesOptions,
  request: Request,
  response: Response,
): Promise<void> {
  const { wish } = (request.body ?? {}) as { readonly wish?: unknown };
  if (typeof wish !== 'string' || wish.length > 500)
    return void response.status(400).json({ error: 'A wish is text.' });
  try {
    const job = await pipeline.submit({
      workflow: workflowFor(wish),
      type: 'image_generation',
      userId: userOf(request) ?? '',
      metadata: { wish },
    });
    response.status(202).json(told(job));
  } catch (error) {
    if (error instanceof InvalidRequest) response.status(400).json({ error: error.message });
    else if (error instanceof TooManyJobs) response.status(429).json({ error: error.message });
    else throw error;
  }
}
