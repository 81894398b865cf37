import { Router } from 'express';
import type { Pipeline } from '../../../../pipeline/api';
import type { Nodes } from '../../openapi/response-schemas.codec';
import type { NodeHistories } from './node-histories';
import { newHistory } from '../../../wire/node-history';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from '../middleware';
import { visibleJob } from '../../requests/visible-job';

/** `/jobs/:promptId/nodes`: a job's nodes over time, as this instance saw them. */
export const nodesRoute = (pipeline: Pipeline, histories: NodeHistories): Router => {
  const router = Router();
  router
    .route('/jobs/:promptId/nodes')
    .get(authenticated, withoutQuery, telling(pipeline, histories))
    .all(onlyMethods('GET, HEAD'));
  return router;
};

const telling =
  (pipeline: Pipeline, histories: NodeHistories): ViewerHandler<{ promptId: string }> =>
  async ({ params }, response) => {
    const job = await visibleJob(pipeline, response.locals.viewer, params.promptId);
    const { attempt, turns, dropped, at, began, missed } = histories.of(job) ?? newHistory(job);
    response.json({ attempt, turns, dropped, at, ...(began !== undefined && { began }), missed } satisfies Nodes);
  };
