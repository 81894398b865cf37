import { Router } from 'express';
import { asyncApi } from '../openapi/asyncapi';
import { openApi } from '../openapi/openapi';
import { onlyMethods } from './middleware';

/** `/openapi.json` and `/asyncapi.json`: what the API says of itself. Without a token: it tells of nobody's jobs. */
export const selfRoutes = (tokensRequired: boolean): Router => {
  const router = Router();
  const documents = { '/openapi.json': openApi(tokensRequired), '/asyncapi.json': asyncApi() };
  for (const [path, document] of Object.entries(documents))
    router
      .route(path)
      .get((_request, response) => void response.json(document))
      .all(onlyMethods('GET, HEAD'));
  return router;
};
