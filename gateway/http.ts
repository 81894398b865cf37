import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import type { Pipeline } from '../pipeline-api';
import type { Admission } from './admission';
import type { Auth } from './auth';
import { originGuard, safeHeaders } from './browser-safety';
import { dashboardFiles } from './dashboard-files';
import { eventsRoute } from './events-route';
import { healthRoutes } from './health-routes';
import { jobsRoutes } from './jobs-routes';
import type { OriginPolicy } from './origins';
import type { OutboxLimits } from './outbox';
import type { NodeHistories } from './node-histories';
import { nodesRoute } from './nodes-route';
import { outputsRoute } from './outputs-route';
import { Problem, sendProblem } from './problem';
import { problemOf } from './problem-of';
import { onlyMethods } from './routing';
import { selfRoutes } from './self-routes';
import type { Webhooks } from './webhooks';

export interface HttpOptions {
  readonly pipeline: Pipeline;
  readonly auth: Auth;
  readonly admission: Admission;
  readonly policy: OriginPolicy;
  readonly outputLimitBytes: number;
  /** What a slow reader of events may cost. */
  readonly limits: OutboxLimits;
  readonly webhooks: Webhooks;
  readonly histories: NodeHistories;
  /** Emits when the gateway closes, which ends event streams. */
  readonly closing$: Observable<unknown>;
  readonly logger: Logger;
}

/** The gateway's HTTP side: jobs, outputs, health and the dashboard. Every error is a problem document. */
export const httpApp = (options: HttpOptions): Express => {
  const { pipeline, auth, admission, policy, outputLimitBytes, webhooks, histories, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  app.use(logging(logger), safeHeaders(), originGuard(policy), freshly());
  // Whoever watches over the gateway is never told to ask less.
  app.use(healthRoutes(pipeline, auth), admission.http);
  app.use(selfRoutes(auth.required), jobsRoutes(pipeline, webhooks), eventsRoute(options));
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
