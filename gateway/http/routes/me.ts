import { Router } from 'express';
import type { Me } from '../openapi/response-schemas.codec';
import { authenticated, onlyMethods, withoutQuery, type ViewerHandler } from './middleware';

/** `/me`: who the caller is to the gateway. */
export const meRoute = (tokensRequired: boolean): Router => {
  const router = Router();
  const telling: ViewerHandler = (_request, response) => {
    const { userId, role, expiresAt } = response.locals.viewer;
    response.json({
      user: userId,
      service: role === 'service',
      tokens: tokensRequired,
      ...(expiresAt !== undefined && { expiresAt }),
    } satisfies Me);
  };
  router.route('/me').get(authenticated, withoutQuery, telling).all(onlyMethods('GET, HEAD'));
  return router;
};
