import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { Admission } from '../admission/admission';
import type { Auth } from '../admission/auth';
import { originGuard, safeHeaders } from './security-headers';
import { dashboardFiles } from './dashboard-files';
import { eventsRoute } from './routes/events';
import { healthRoutes } from './routes/health';
import { jobsRoutes } from './routes/jobs';
import type { OriginPolicy } from '../admission/origin-policy';
import type { RefusalLog } from '../admission/refusal-log';
import type { OutboxLimits } from '../sockets/send-queue';
import type { NodeHistories } from './routes/node-histories';
import { meRoute } from './routes/me';
import { nodesRoute } from './routes/nodes';
import { outputsRoute } from './routes/outputs';
import { Problem, sendProblem } from '../wire/problem';
import type { JobViews } from '../wire/job-views';
import { problemOf } from '../wire/problem-of';
import { onlyMethods } from './routes/middleware';
import { selfRoutes } from './routes/api-documents';
import type { Webhooks } from '../webhooks/webhooks';

export interface HttpOptions {
  readonly pipeline: Pipeline;
  readonly auth: Auth;
  readonly admission: Admission;
  readonly policy: OriginPolicy;
  readonly refusals: RefusalLog;
  readonly outputLimitBytes: number;
  /** What a slow reader of events may cost. */
  readonly limits: OutboxLimits;
  readonly webhooks: Webhooks;
  readonly views: JobViews;
  readonly histories: NodeHistories;
  /** Emits when the gateway closes, which ends event streams. */
  readonly closing$: Observable<unknown>;
  readonly logger: Logger;
}

/** The gateway's HTTP side: jobs, outputs, health and the dashboard. Every error is a problem document. */
export const httpApp = (options: HttpOptions): Express => {
  const { pipeline, auth, admission, policy, refusals, outputLimitBytes, webhooks, views, histories, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  app.use(logging(logger), safeHeaders(), originGuard(policy, refusals), freshly());
  // Whoever watches over the gateway is never told to ask less.
  app.use(healthRoutes(pipeline, auth), admission.http);
  app.use(
    selfRoutes(auth.required),
    meRoute(auth.required),
    jobsRoutes(pipeline, webhooks, views),
    eventsRoute(options),
  );
  app.use(nodesRoute(pipeline, histories), outputsRoute(pipeline, outputLimitBytes));
  app.use(dashboardFiles());
  app.all('/', onlyMethods('GET, HEAD'));
  app.use(() => {
    throw new Problem('not-found');
  });
  app.use(answeringErrors(logger));
  return app;
};

/** Answers are somebody's own and change at any moment. */
const freshly = (): RequestHandler => (_request, response, next) => {
  response.set('Cache-Control', 'private, no-cache').vary('Authorization');
  next();
};

const logging =
  (logger: Logger): RequestHandler =>
  ({ method, path }, response, next) => {
    response.once('finish', () => logger.debug({ method, path, status: response.statusCode }, 'answered'));
    next();
  };

const answeringErrors =
  (logger: Logger): ErrorRequestHandler =>
  (error: unknown, { method, path }, response, next) => {
    const problem = problemOf(error);
    if (problem.status >= 500) logger.error({ err: error, method, path }, problem.message);
    if (response.headersSent) next(error);
    else sendProblem(response, problem);
  };
