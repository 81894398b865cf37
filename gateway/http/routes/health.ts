import { Router } from 'express';
import type { Pipeline, ServerStatus } from '../../../pipeline/api';
import type { Liveness, Readiness } from '../openapi/response-schemas.codec';
import { bearerToken, type Auth } from '../../admission/auth/auth';
import { onlyMethods } from './middleware';

type ServerHealth = Readiness['checks']['servers'][number];

/**
 * `/livez`: 200 while the process runs. `/readyz`: 503 unless the store and a server are healthy. Neither needs a
 * token.
 */
export const healthRoutes = (pipeline: Pipeline, auth: Auth): Router => {
  const router = Router();
  const isStoreHealthy = sharedWhileAsked(() => pipeline.storeHealthy().catch(() => false));
  router
    .route('/livez')
    .get((_request, response) => {
      // Any page may ask: one whose calls fail can tell a gateway that is down from an origin that is not allowed.
      response.set('Cross-Origin-Resource-Policy', 'cross-origin').json({ status: 'alive' } satisfies Liveness);
    })
    .all(onlyMethods('GET, HEAD'));
  router
    .route('/readyz')
    .get(async ({ headers }, response) => {
      const viewer = await auth.viewerOf(bearerToken(headers.authorization)).catch(() => undefined);
      const store = await isStoreHealthy();
      const servers = pipeline.servers();
      const ready = store && servers.some(({ healthy }) => healthy);
      const named = servers.map(viewer?.role === 'service' ? withUrl : withoutUrl);
      response.status(ready ? 200 : 503).json({
        status: ready ? 'ready' : 'not ready',
        checks: { store: { healthy: store }, servers: named },
      } satisfies Readiness);
    })
    .all(onlyMethods('GET, HEAD'));
  return router;
};

/** Whoever asks meanwhile gets the same answer: strangers' probes, which no limit counts, cost a store thirty commands each. */
function sharedWhileAsked<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => (underWay ??= ask().finally(() => (underWay = undefined)));
}

const withUrl = (server: ServerStatus): ServerHealth => server;
/** Only services get URLs: whoever knows a pod's URL can often use it. */
const withoutUrl = ({ url: _, ...server }: ServerStatus): ServerHealth => server;
