import type { RequestListener } from 'node:http';
import type { RequestHandler } from 'express';
import type { Socket } from 'node:net';
import type { Viewer } from '../../admission/auth/auth';
import type { TokenRefused } from '../../admission/auth/token-refused';
import { bounds } from '../../../streams/bounds';
import { cut } from '../../../streams/workflow/shown-text';
import { badFields } from '../requests/fields/bad-fields';
import { Problem } from '../../wire/problem';
import { unauthorized } from '../../wire/problem-of';

/** Counts by connection; a count goes with its connection, whatever was not counted down. */
function counting(): (connection: Socket, by: 1 | -1) => number {
  const counts = new WeakMap<Socket, number>();
  return (connection, by) => {
    const many = (counts.get(connection) ?? 0) + by;
    counts.set(connection, many);
    return many;
  };
}

/**
 * Cuts a connection on which more than twice `bounds.pipelined` requests are unanswered (R16). Node reads some 1,700
 * requests out of one piece of 64 KiB before it does anything else: a refusal of each held all others up for a second.
 */
export const cuttingFloods = (listener: RequestListener): RequestListener => {
  const count = counting();
  return (request, response) => {
    const { socket: connection } = request;
    if (connection.destroyed) return;
    if (count(connection, 1) > 2 * bounds.pipelined) {
      connection.destroy();
      return;
    }
    response.once('close', () => count(connection, -1));
    listener(request, response);
  };
};

/**
 * Serves a pipelined request once those before it on its connection are answered. Node hands it over at once, but its
 * response hears neither of the connection's end nor of time-outs before its turn: an event stream or a download that
 * had waited stayed for ever if the caller left. At most `bounds.pipelined` requests of a connection wait (R16).
 */
export const inTurn = (): RequestHandler => {
  const count = counting();
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

/** A handler behind `authenticated`, which ensures `response.locals.viewer`. */
export type ViewerHandler<Params = Record<string, string>> = RequestHandler<
  Params,
  unknown,
  unknown,
  unknown,
  { viewer: Viewer }
>;

/** Throws `unauthorized` if admission did not identify the caller. Stands before any body is read. */
export const authenticated: ViewerHandler = (_request, { locals }, next) => {
  const { viewer, refusal } = locals as { readonly viewer?: Viewer; readonly refusal?: TokenRefused };
  if (viewer === undefined) throw unauthorized(refusal);
  next();
};

/**
 * Refuses any query parameter, on routes that read none (R18). Runs before the job is looked up, so it reveals none
 * (R14).
 */
export const withoutQuery: RequestHandler<Record<string, string>> = ({ query }, _response, next) => {
  const names = Object.keys(query).slice(0, bounds.fieldErrors);
  if (names.length > 0)
    throw badFields(names.map((name) => ({ field: cut(name), message: 'is no parameter: there are none here' })));
  next();
};

/** The last handler of a route: 405 for a method that it does not have, 204 with `Allow` for OPTIONS. */
export const onlyMethods =
  (allow: string): RequestHandler =>
  (request, response) => {
    if (request.method !== 'OPTIONS')
      throw new Problem('method-not-allowed', { detail: `Use ${allow}.` }, { Allow: allow });
    response.set('Allow', allow).status(204).end();
  };
