import type { RequestHandler } from 'express';
import type { Socket } from 'node:net';
import type { Viewer } from '../../admission/auth/auth';
import type { TokenRefused } from '../../admission/auth/token-refused';
import { bounds } from '../../../streams/bounds';
import { cut } from '../../../streams/workflow/shown-text';
import { badFields } from '../requests/fields/bad-fields';
import { Problem } from '../../wire/problem';
import { unauthorized } from '../../wire/problem-of';

/**
 * Serves a request that came behind others of its connection once those are answered. Node hands it over at once, but
 * tells its response neither of the connection's end nor of its time-outs before the connection is its own: an event stream
 * or a download behind another stayed for ever where the caller went. Those that wait are counted (R16).
 */
export const inTurn = (): RequestHandler => {
  const waiting = new WeakMap<Socket, number>();
  const count = (connection: Socket, by: 1 | -1): number => {
    const many = (waiting.get(connection) ?? 0) + by;
    waiting.set(connection, many);
    return many;
  };
  return ({ socket: connection }, response, next) => {
    if (response.socket !== null) {
      next();
      return;
    }
    if (count(connection, 1) > bounds.pipelined) {
      count(connection, -1);
      throw new Problem('too-many-requests', {
        detail: `So many requests of a connection may wait: ${bounds.pipelined}.`,
      });
    }
    response.once('socket', () => {
      count(connection, -1);
      next();
    });
  };
};

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
