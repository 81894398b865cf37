import { Router } from 'express';
import { prefixOf } from '../base-path';
import { asyncApi } from '../openapi/asyncapi';
import { openApi } from '../openapi/openapi';
import { onlyMethods } from './middleware';

/** `/openapi.json` and `/asyncapi.json`: descriptions of the API. They need no token, because they name no jobs. */
export const selfRoutes = (tokensRequired: boolean): Router => {
  const router = Router();
  const documents = {
    '/openapi.json': (prefix: string) => openApi(tokensRequired, prefix),
    '/asyncapi.json': asyncApi,
  };
  for (const [path, document] of Object.entries(documents))
    router
      .route(path)
      .get((_request, response) => void response.json(document(prefixOf(response))))
      .all(onlyMethods('GET, HEAD'));
  return router;
};
