import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Log } from '../server/log';
import type { Observable } from 'rxjs';
import type { Pipeline } from '../../pipeline/api';
import type { Admission } from '../admission/admission';
import type { EndedBytes } from '../admission/limits/ended-bytes';
import type { Auth } from '../admission/auth/auth';
import type { RequestBodies } from './bodies/request-bodies';
import type { Turns } from './bodies/turns';
import { originGuard, safeHeaders, UNKEPT } from './security-headers';
import { underBase } from './base-path';
import type { Downloads } from './outputs/downloads';
import type { SendingLimits } from './outputs/sending';
import type { UrlSigner } from './outputs/signed-urls';
import { dashboardFiles } from './dashboard-files';
import { eventsRoute } from './routes/events/events';
import { healthRoutes } from './routes/health';
import { inputsRoute, type InputsOptions } from './routes/inputs';
import { jobsRoutes } from './routes/jobs';
import type { OriginPolicy } from '../admission/origin-policy';
import { plainRequests } from '../sockets/plain-requests';
import type { Rooms } from '../sockets/rooms';
import type { RefusalLog } from '../admission/refusal-log';
import type { SendQueueLimits } from '../sockets/send-queue';
import type { NodeHistories } from './routes/nodes/node-histories';
import { meRoute } from './routes/me';
import type { ReportTokens } from '../admission/auth/report-tokens';
import { reporters, reportsRoute } from './routes/reports/reports';
import { nodesRoute } from './routes/nodes/nodes';
import { outputsRoute, signedViewers } from './routes/outputs';
import { Problem } from '../wire/problem';
import { sendProblem } from './bodies/send-problem';
import type { JobViews } from '../wire/job-views';
import { problemOf } from '../wire/problem-of';
import { inTurn, onlyMethods } from './routes/middleware';
import { selfRoutes } from './routes/api-documents';
import type { GatewayTelemetry } from '../metrics/gateway-event';
import type { Metrics } from '../metrics';
import { metricsRoute } from '../metrics/metrics-route';
import type { Webhooks } from '../webhooks/webhooks';
import { messageOf } from '../../streams/workflow/shown-text';

export interface HttpOptions {
  readonly pipeline: Pipeline;
  readonly rooms: Rooms;
  readonly auth: Auth;
  readonly admission: Admission;
  readonly ended: EndedBytes;
  readonly policy: OriginPolicy;
  readonly sending: SendingLimits;
  readonly downloads: Downloads;
  readonly signer: UrlSigner;
  readonly reportTokens?: ReportTokens;
  /** The prefix of all paths, such as `/jobs`; empty at the root. */
  readonly basePath: string;
  readonly proxies: number;
  readonly bodies: RequestBodies;
  readonly inputs: InputsOptions;
  readonly lists: Turns;
  readonly refusals: RefusalLog;
  /** When a slow reader of events is cut. */
  readonly limits: SendQueueLimits;
  readonly webhooks: Webhooks;
  readonly views: JobViews;
  readonly histories: NodeHistories;
  /** Emits when the gateway closes, which ends event streams. */
  readonly closing$: Observable<unknown>;
  readonly logger: Log;
  readonly tell: GatewayTelemetry;
  readonly metrics?: Metrics;
}

/** The gateway's HTTP side: jobs, outputs, health and the dashboard. Every error is a problem document. */
export const httpApp = (options: HttpOptions): Express => {
  const { pipeline, auth, admission, policy, refusals, histories, inputs, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  // Outside `production`, Express's own error answer would show the stack to the caller.
  app.set('env', 'production');
  app.use(underBase(options.basePath, options.proxies));
  app.use(logging(logger), safeHeaders(), originGuard(policy, refusals), noStore(), inTurn());
  // Probes come before admission: a rate limit would make an orchestrator think that the gateway is dead.
  app.use(healthRoutes(pipeline, auth), signedViewers(options.signer), reporters(options.reportTokens), admission.http);
  app.use(
    selfRoutes(auth.required),
    meRoute(auth.required),
    metricsRoute(options.metrics),
    jobsRoutes(options),
    reportsRoute(options),
    inputsRoute(pipeline, inputs),
    eventsRoute(options),
  );
  app.use(nodesRoute(pipeline, histories), outputsRoute(options), plainRequests(refusals));
  app.use(dashboardFiles());
  app.all('/', onlyMethods('GET, HEAD'));
  app.use(() => {
    throw new Problem('not-found');
  });
  app.use(answeringErrors(logger));
  return app;
};

/** Keeps caches from storing answers: each belongs to one caller and changes at any moment. */
const noStore = (): RequestHandler => (_request, response, next) => {
  response.set('Cache-Control', UNKEPT).vary('Authorization');
  next();
};

const logging =
  (logger: Log): RequestHandler =>
  ({ method, path }, response, next) => {
    response.once('finish', () => logger.debug({ method, path, status: response.statusCode }, 'answered'));
    next();
  };

const answeringErrors =
  (logger: Log): ErrorRequestHandler =>
  (error: unknown, { method, path }, response, next) => {
    const problem = problemOf(error);
    // A bug of ours is logged with its stack, what ComfyUI or a bound refuses in one line. An outage of the store is
    // logged once, elsewhere: each request that meets it gets a line at level debug only.
    if (problem.kind === 'internal') logger.error({ err: error, method, path }, problem.message);
    else if (problem.status >= 500)
      logger[problem.kind === 'store-unavailable' ? 'debug' : 'warn'](
        { method, path, problem: problem.kind },
        messageOf(error),
      );
    if (response.headersSent) next(error);
    else sendProblem(response, problem);
  };
