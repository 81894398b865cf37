import { Router } from 'express';
import { authenticated, onlyMethods, type ViewerHandler } from '../http/routes/middleware';
import { Problem } from '../wire/problem';
import type { Metrics } from './prometheus-metrics';

/** `/metrics` in the text format of Prometheus, for services only; no route without `metrics`. */
export const metricsRoute = (metrics: Metrics | undefined): Router => {
  const router = Router();
  if (metrics === undefined) return router;
  const { registry } = metrics;
  const telling: ViewerHandler = async (_request, response) => {
    if (response.locals.viewer.role !== 'service')
      throw new Problem('forbidden', { detail: 'Metrics are for services: a token with the role service.' });
    const text = await registry.metrics();
    response.set('Content-Type', registry.contentType).send(text);
  };
  router.route('/metrics').get(authenticated, telling).all(onlyMethods('GET, HEAD'));
  return router;
};
