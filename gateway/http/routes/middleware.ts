import type { RequestHandler } from 'express';
import type { Viewer } from '../../admission/auth/auth';
import type { TokenRefused } from '../../admission/auth/token-refused';
import { bounds } from '../../../streams/bounds';
import { cut } from '../../../streams/workflow/shown-text';
import { badFields } from '../requests/fields/bad-fields';
import { Problem } from '../../wire/problem';
import { unauthorized } from '../../wire/problem-of';

/** A handler behind `authenticated`. */
export type ViewerHandler<Params = Record<string, string>> = RequestHandler<
  Params,
  unknown,
  unknown,
  unknown,
  { viewer: Viewer }
>;

/** Lets only callers pass whom admission knows, before any body is read. */
export const authenticated: ViewerHandler = (_request, { locals }, next) => {
  const { viewer, refusal } = locals as { readonly viewer?: Viewer; readonly refusal?: TokenRefused };
  if (viewer === undefined) throw unauthorized(refusal);
  next();
};

/** Refuses what a query names where a route reads none (R18); whatever job is meant, and before it is looked for (R14). */
export const withoutQuery: RequestHandler<Record<string, string>> = ({ query }, _response, next) => {
  const names = Object.keys(query).slice(0, bounds.fieldErrors);
  if (names.length > 0)
    throw badFields(names.map((name) => ({ field: cut(name), message: 'is no parameter: there are none here' })));
  next();
};

/** The last handler of a route. */
export const onlyMethods =
  (allow: string): RequestHandler =>
  (request, response) => {
    if (request.method !== 'OPTIONS')
      throw new Problem('method-not-allowed', { detail: `Use ${allow}.` }, { Allow: allow });
    response.set('Allow', allow).status(204).end();
  };
