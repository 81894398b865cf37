import express, { type RequestHandler, type Response } from 'express';
import type { Viewer } from '../../admission/auth';
import { digestOf } from '../requests/idempotency-key';
import type { TokenRefused } from '../../admission/token-refused';
import { Problem } from '../../wire/problem';
import { unauthorized } from '../../wire/problem-of';

/** A handler behind `authenticated`. */
export type ViewerHandler<Params = Record<string, string>> = RequestHandler<
  Params,
  unknown,
  unknown,
  unknown,
  { viewer: Viewer; bodyDigest: string }
>;

/** Lets only callers pass whom admission knows, before any body is read. */
export const authenticated: ViewerHandler = (_request, { locals }, next) => {
  const { viewer, refusal } = locals as { readonly viewer?: Viewer; readonly refusal?: TokenRefused };
  if (viewer === undefined) throw unauthorized(refusal);
  next();
};

/** What is nested deeper cannot be written as JSON again; no workflow has ten levels. */
const MOST_LEVELS = 100;

/** Reads a JSON body of at most 10 MiB and 100 levels, and tells repeated ones by `bodyDigest`; refuses any other type. */
export const jsonBody = (): RequestHandler[] => [
  (request, _response, next) => {
    if (request.is('application/json') === false) {
      throw new Problem('unsupported-media-type', { detail: 'Send the body as application/json.' });
    }
    next();
  },
  express.json({
    limit: '10mb',
    verify: (request, response, body) => {
      // Hashing costs; only who may repeat himself needs it.
      if (request.headers['idempotency-key'] !== undefined)
        (response as unknown as Response).locals['bodyDigest'] = digestOf(body);
    },
  }),
  ({ body }, _response, next) => {
    if (isDeeperThan(MOST_LEVELS, body))
      throw new Problem('bad-request', { detail: `The body may be nested ${MOST_LEVELS} levels deep.` });
    next();
  },
];

/** Level by level, so that no stack runs over. */
const isDeeperThan = (most: number, value: unknown): boolean => {
  let level = [value].filter(isObject);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > most) return true;
    level = level.flatMap((each) => Object.values(each).filter(isObject));
  }
  return false;
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** The last handler of a route. */
export const onlyMethods =
  (allow: string): RequestHandler =>
  (request, response) => {
    if (request.method !== 'OPTIONS')
      throw new Problem('method-not-allowed', { detail: `Use ${allow}.` }, { Allow: allow });
    response.set('Allow', allow).status(204).end();
  };
