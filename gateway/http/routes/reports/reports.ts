import { Router, type RequestHandler } from 'express';
import type { Pipeline } from '../../../../pipeline/api';
import { bounds } from '../../../../streams/bounds';
import { isPromptId } from '../../../../streams/job/ids';
import { bearerToken, maySee } from '../../../admission/auth/auth';
import type { ReportTokens } from '../../../admission/auth/report-tokens';
import { TokenRefused } from '../../../admission/auth/token-refused';
import { meter } from '../../../admission/limits/rate-limits';
import type { JobViews } from '../../../wire/job-views';
import { Problem, unknownJob } from '../../../wire/problem';
import type { RequestBodies } from '../../bodies/request-bodies';
import { unreadableTo, visibleJob } from '../../requests/visible-job';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from '../middleware';

export interface ReportsOptions {
  readonly pipeline: Pipeline;
  readonly views: JobViews;
  readonly bodies: RequestBodies;
}

type OfJob = { readonly promptId: string };

const PATH = '/jobs/:promptId/report';

/** `/jobs/:promptId/report`: takes a report of the program that runs a job. `…/curves`: the job's metrics over time. */
export const reportsRoute = (options: ReportsOptions): Router => {
  const router = Router();
  router.route(PATH).post(authenticated, withoutQuery, reporting(options)).all(onlyMethods('POST'));
  router
    .route('/jobs/:promptId/curves')
    .get(authenticated, withoutQuery, drawing(options.pipeline))
    .all(onlyMethods('GET, HEAD'));
  return router;
};

/** Identifies programs by the token of their job. Stands before admission, which counts users and strangers only. */
export const reporters = (tokens: ReportTokens | undefined): Router => {
  const admitting: RequestHandler<OfJob> = async ({ params, headers }, response, next) => {
    const token = bearerToken(headers.authorization);
    try {
      const viewer = token === undefined ? undefined : await tokens?.viewerOf(token, params.promptId);
      if (viewer !== undefined) Object.assign(response.locals, { viewer, isReporter: true });
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      // Admission counts the caller as a stranger, and the 401 says why the token was refused.
      response.locals['refusal'] = error;
    }
    next();
  };
  return Router().post(PATH, admitting);
};

const reporting = ({ pipeline, views, bodies }: ReportsOptions): ViewerHandler<OfJob> => {
  const reports = meter(bounds.reportsPerSecond, 1);
  return async (asking, response) => {
    const { viewer } = response.locals;
    const { promptId } = asking.params;
    if (!isPromptId(promptId)) throw unknownJob();
    // The caller is part of the key, so that nobody else can use up the reports of a job.
    const { granted, most, inMs } = await reports.take(JSON.stringify([promptId, viewer.role, viewer.userId]));
    if (!granted) {
      const retry = { 'Retry-After': String(Math.ceil(inMs / 1000)) };
      throw new Problem('too-many-requests', { detail: `Of one job, ${most} reports a second are taken.` }, retry);
    }
    const { body } = await bodies.read('report', asking, viewer);
    const job = await pipeline.report(promptId, body, (state) => maySee(viewer, state)).catch(unreadableTo(viewer));
    response.json(views.of(job, viewer));
  };
};

const drawing =
  (pipeline: Pipeline): ViewerHandler<OfJob> =>
  async ({ params }, response) => {
    const { promptId } = await visibleJob(pipeline, response.locals.viewer, params.promptId);
    response.json({ points: (await pipeline.curves(promptId)).points });
  };
