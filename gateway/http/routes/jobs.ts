import { randomUUID } from 'node:crypto';
import * as E from 'fp-ts/Either';
import { Router } from 'express';
import type { JobRequest, Pipeline } from '../../../pipeline/api';
import { totalsOf, type JobPage } from '../../../sinks/job-page';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import { maySee, type Viewer } from '../../admission/auth';
import type { FieldError } from '../../wire/described.codec';
import { badFields } from '../requests/bad-fields';
import { onceOf } from '../requests/idempotency-key';
import { jobQuery } from '../requests/job-query.codec';
import { Problem, unknownJob } from '../../wire/problem';
import { publicJob } from '../../wire/public-job';
import { prefixOf } from '../base-path';
import type { RequestBodies } from '../bodies/request-bodies';
import { authenticated, onlyMethods, type ViewerHandler } from './middleware';
import { isPromptId, visibleJob } from '../requests/visible-job';
import type { Webhooks } from '../../webhooks/webhooks';

type JobHandler = ViewerHandler<{ promptId: string }>;

/** `/jobs` and `/jobs/:promptId`: submit, list, read, track, cancel. */
export const jobsRoutes = (pipeline: Pipeline, webhooks: Webhooks, bodies: RequestBodies): Router => {
  const router = Router();
  router
    .route('/jobs')
    .get(authenticated, listing(pipeline))
    .post(authenticated, submitting(pipeline, webhooks, bodies))
    .all(onlyMethods('GET, HEAD, POST'));
  router
    .route('/jobs/:promptId')
    .get(authenticated, reading(pipeline))
    .put(authenticated, tracking(pipeline, bodies))
    .all(onlyMethods('GET, HEAD, PUT'));
  router.route('/jobs/:promptId/cancel').post(authenticated, cancelling(pipeline)).all(onlyMethods('POST'));
  return router;
};

const submitting =
  (pipeline: Pipeline, webhooks: Webhooks, bodies: RequestBodies): ViewerHandler =>
  async (asking, response) => {
    const { viewer } = response.locals;
    const { body, digest } = await bodies.read('submit', asking, viewer);
    const once = onceOf(asking.headers, viewer, digest);
    const { webhookUrl } = body;
    const request = { ...body.request, userId: body.request.userId ?? viewer.userId };
    refuseOtherUsers(viewer, request);
    if (webhookUrl !== undefined) refuseUrl(webhooks.objectionTo(webhookUrl));
    const job = await pipeline.submit({ ...request, ...(once && { once }) });
    if (webhookUrl !== undefined) await webhooks.add(job.promptId, webhookUrl);
    response.location(`${prefixOf(response)}/jobs/${job.promptId}`);
    if (job.failure?.kind === 'rejected') throw refusal(job);
    response.status(once && isSettled(job) ? 200 : 202).json(publicJob(job));
  };

const listing =
  (pipeline: Pipeline): ViewerHandler =>
  async ({ query }, response) => {
    const { viewer } = response.locals;
    const wanted = asked(jobQuery(query));
    if (viewer.role === 'service') return void response.json(publicPage(await pipeline.list(wanted)));
    if (wanted.userId !== undefined && wanted.userId !== viewer.userId)
      return void response.json(publicPage({ jobs: [], totals: totalsOf([]) }));
    response.json(publicPage(await pipeline.list({ ...wanted, userId: viewer.userId })));
  };

const reading =
  (pipeline: Pipeline): JobHandler =>
  async ({ params }, response) => {
    response.json(publicJob(await visibleJob(pipeline, response.locals.viewer, params.promptId)));
  };

const tracking =
  (pipeline: Pipeline, bodies: RequestBodies): JobHandler =>
  async (asking, response) => {
    const { viewer } = response.locals;
    const { params } = asking;
    const { body } = await bodies.read('track', asking, viewer);
    const request = { ...body, userId: body.userId ?? viewer.userId };
    refuseOtherUsers(viewer, request);
    if (!isPromptId(params.promptId)) throw unknownJob();
    const present = await pipeline.get(params.promptId);
    // Another user's job takes the way of one that is nowhere, so that neither the answer nor its time tells them apart (R14).
    const promptId = present && !maySee(viewer, present) ? randomUUID() : params.promptId;
    const job = await pipeline.track(promptId, request);
    if (!maySee(viewer, job)) throw unknownJob();
    response.location(`${prefixOf(response)}/jobs/${job.promptId}`).json(publicJob(job));
  };

const cancelling =
  (pipeline: Pipeline): JobHandler =>
  async ({ params }, response) => {
    await visibleJob(pipeline, response.locals.viewer, params.promptId);
    const job = await pipeline.cancel(params.promptId);
    if (!job) throw unknownJob();
    response.status(isSettled(job) ? 200 : 202).json(publicJob(job));
  };

const asked = <A>(request: E.Either<readonly FieldError[], A>): A => {
  if (E.isRight(request)) return request.right;
  throw badFields(request.left);
};

const refuseOtherUsers = ({ role, userId }: Viewer, request: JobRequest): void => {
  if (role === 'service' || request.userId === userId) return;
  const errors = [{ field: 'userId', message: 'must be the user that the token names' }];
  throw new Problem('forbidden', { detail: 'A user may act for nobody else.', errors });
};

const refuseUrl = (message: string | undefined): void => {
  if (message !== undefined) throw badFields([{ field: 'webhook.url', message }]);
};

const refusal = (job: JobState): Problem => {
  const { promptId, failure, nodeErrors } = publicJob(job);
  return new Problem('workflow-refused', { detail: failure?.message ?? '', promptId, nodeErrors: nodeErrors ?? [] });
};

const publicPage = ({ jobs, cursor, totals }: JobPage) => ({
  jobs: jobs.map(publicJob),
  totals,
  ...(cursor !== undefined && { cursor }),
});
