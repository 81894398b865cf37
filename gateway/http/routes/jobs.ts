import { Router } from 'express';
import type { JobRequest, Pipeline } from '../../../pipeline/api';
import { cursorAt, totalsOf, type JobPage } from '../../../sinks/listing/job-page';
import { isPromptId } from '../../../streams/job/ids';
import { isSettled, type JobState } from '../../../streams/job/job-state';
import type { Admission } from '../../admission/admission';
import type { EndedBytes } from '../../admission/limits/ended-bytes';
import type { ReportTokens } from '../../admission/auth/report-tokens';
import { maySee, type Viewer } from '../../admission/auth/auth';
import { badFields, orBadFields } from '../requests/fields/bad-fields';
import { onceOf } from '../requests/idempotency-key';
import { jobQuery } from '../requests/job-query.codec';
import { Problem, unknownJob } from '../../wire/problem';
import { prefixOf } from '../base-path';
import { fitting } from '../../sockets/encoded-state';
import type { RequestBodies } from '../bodies/request-bodies';
import type { Turns } from '../bodies/turns';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from './middleware';
import type { JobViews } from '../../wire/job-views';
import type { PublicJob } from '../../wire/public-job';
import { refuseUrlOfServer } from '../requests/server-name';
import { visibleJob } from '../requests/visible-job';
import type { Webhooks } from '../../webhooks/webhooks';

type JobHandler = ViewerHandler<{ promptId: string }>;

export interface JobsOptions {
  readonly pipeline: Pipeline;
  readonly webhooks: Webhooks;
  readonly views: JobViews;
  readonly bodies: RequestBodies;
  /** Turns of users' lists: one list of a user is read at a time. */
  readonly lists: Turns;
  readonly admission: Pick<Admission, 'recheck' | 'charge'>;
  readonly ended: EndedBytes;
  /**
   * Absent if the gateway has no secret to sign with: then programs report with a token of the job's user or a service.
   */
  readonly reportTokens?: ReportTokens;
}

/** `/jobs` and `/jobs/:promptId`: submit, list, read, track, cancel. */
export const jobsRoutes = (options: JobsOptions): Router => {
  const { pipeline, views, bodies } = options;
  const router = Router();
  router
    .route('/jobs')
    .get(authenticated, listing(options))
    .post(authenticated, withoutQuery, submitting(options))
    .all(onlyMethods('GET, HEAD, POST'));
  router
    .route('/jobs/:promptId')
    .get(authenticated, withoutQuery, reading(pipeline, views))
    .put(authenticated, withoutQuery, tracking(pipeline, views, bodies))
    .all(onlyMethods('GET, HEAD, PUT'));
  router
    .route('/jobs/:promptId/cancel')
    .post(authenticated, withoutQuery, cancelling(pipeline, views))
    .all(onlyMethods('POST'));
  return router;
};

const submitting =
  ({ pipeline, webhooks, views, bodies, ended, reportTokens }: JobsOptions): ViewerHandler =>
  async (asking, response) => {
    const { viewer } = response.locals;
    await ended.check(viewer);
    const { body, digest } = await bodies.read('submit', asking, viewer);
    const given = onceOf(asking.headers, viewer, digest);
    const { webhookUrl } = body;
    const userId = body.request.userId ?? viewer.userId;
    refuseOtherUsers(viewer, { userId });
    if (webhookUrl !== undefined) refuseUrl(webhooks.objectionTo(webhookUrl));
    const once = given && { once: given };
    if (body.tag === 'workflow') refuseUrlOfServer(viewer, body.request.server, pipeline);
    const job =
      body.tag === 'workflow'
        ? await pipeline.submit({ ...body.request, userId, ...once })
        : await pipeline.open({ ...body.request, userId, ...once });
    if (once) ended.keptByKey(viewer, job);
    if (webhookUrl !== undefined) await webhooks.add(job, webhookUrl, viewer);
    response.location(`${prefixOf(response)}/jobs/${job.promptId}`);
    if (job.failure?.kind === 'rejected') throw refusal(views.of(job, viewer));
    response.status(once && isSettled(job) ? 200 : 202);
    const view = views.of(job, viewer);
    if (body.tag === 'workflow') return void response.json(view);
    const token = await reportTokens?.sign(job);
    const url = `${prefixOf(response)}/jobs/${job.promptId}/report`;
    response.json({ ...view, report: { url, ...token } });
  };

/** A user's lists are read in turn; a service's at once, because it asks for many users. */
const listing =
  ({ pipeline, views, lists, admission }: JobsOptions): ViewerHandler =>
  async ({ query }, response) => {
    const { viewer } = response.locals;
    const wanted = orBadFields(jobQuery(query));
    const isOthers = viewer.role === 'user' && wanted.userId !== undefined && wanted.userId !== viewer.userId;
    if (isOthers) return void response.json({ jobs: [], totals: totalsOf([]) });
    const answer = async (): Promise<void> => {
      await admission.recheck(viewer);
      // The list is not read for a client that has left while it waited.
      if (response.destroyed) return;
      const page = await pipeline.list(viewer.role === 'user' ? { ...wanted, userId: viewer.userId } : wanted);
      const { bytes, ...shown } = shownPage(page, (job) => views.of(job, viewer));
      response.set(await admission.charge(viewer, bytes));
      if (page.partial) response.set('Jobs-Partial', 'true');
      response.json(shown);
    };
    await (viewer.role === 'user' ? lists(viewer, answer) : answer());
  };

/**
 * The first jobs of a page, up to `bounds.answerBytes` of JSON, and a cursor to the others. `bytes` estimates all that
 * was read for the page: the caller pays for that.
 */
function shownPage({ read = 0, ...page }: JobPage, shown: (job: JobState) => PublicJob) {
  const { jobs, bytes } = fitting(page.jobs, shown);
  const last = page.jobs[jobs.length - 1];
  const isCut = last !== undefined && jobs.length < page.jobs.length;
  // Jobs that do not fit are not encoded just to be counted: each counts as the average of those that do.
  const ofPage = jobs.length === 0 ? 0 : (bytes * page.jobs.length) / jobs.length;
  return { ...page, jobs, ...(isCut && { cursor: cursorAt(last) }), bytes: Math.max(read, ofPage) };
}

const reading =
  (pipeline: Pipeline, views: JobViews): JobHandler =>
  async ({ params }, response) => {
    const { viewer } = response.locals;
    response.json(views.of(await visibleJob(pipeline, viewer, params.promptId), viewer));
  };

/**
 * A service may track any job that somebody else posted. A user only gets a job that is theirs: an id proves nothing.
 */
const tracking =
  (pipeline: Pipeline, views: JobViews, bodies: RequestBodies): JobHandler =>
  async (asking, response) => {
    const { viewer } = response.locals;
    const { params } = asking;
    const { body } = await bodies.read('track', asking, viewer);
    const request = { ...body, userId: body.userId ?? viewer.userId };
    refuseOtherUsers(viewer, request);
    if (!isPromptId(params.promptId)) throw unknownJob();
    const job =
      viewer.role === 'service'
        ? await pipeline.track(params.promptId, request)
        : await visibleJob(pipeline, viewer, params.promptId);
    response.location(`${prefixOf(response)}/jobs/${job.promptId}`).json(views.of(job, viewer));
  };

const cancelling =
  (pipeline: Pipeline, views: JobViews): JobHandler =>
  async ({ params }, response) => {
    const { viewer } = response.locals;
    await visibleJob(pipeline, viewer, params.promptId);
    const job = await pipeline.cancel(params.promptId);
    if (!job || !maySee(viewer, job)) throw unknownJob();
    response.status(isSettled(job) ? 200 : 202).json(views.of(job, viewer));
  };

const refuseOtherUsers = ({ role, userId }: Viewer, request: Pick<JobRequest, 'userId'>): void => {
  if (role === 'service' || request.userId === userId) return;
  const errors = [{ field: 'userId', message: 'must be the user that the token names' }];
  throw new Problem('forbidden', { detail: 'A user may act for nobody else.', errors });
};

const refuseUrl = (message: string | undefined): void => {
  if (message !== undefined) throw badFields([{ field: 'webhook.url', message }]);
};

const refusal = ({ promptId, failure, nodeErrors }: PublicJob): Problem =>
  new Problem('workflow-refused', { detail: failure?.message ?? '', promptId, nodeErrors: nodeErrors ?? [] });
