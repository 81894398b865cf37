import type { RequestHandler } from 'express';
import helmet from 'helmet';
import type { OriginPolicy } from '../admission/origin-policy';
import type { RefusalLog } from '../admission/refusal-log';
import { Problem } from '../wire/problem';

/** `Cache-Control` of answers that belong to one caller and change at any moment. */
export const UNKEPT = 'private, no-cache';

/**
 * Headers that let the dashboard load its own scripts, styles and sockets, and images that it made, and nothing else.
 */
export const safeHeaders = (): RequestHandler =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'blob:', 'data:'],
        mediaSrc: ["'self'", 'blob:'],
        connectSrc: ["'self'", ({ headers }) => socketsOf(headers.host)],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // The proxy that ends TLS sets this header: only it knows whether every name of the domain has TLS.
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
  });

/** The gateway's WebSocket URLs: browsers differ on whether 'self' covers a WebSocket to the same host. */
const socketsOf = (host = ''): string =>
  /^[a-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/i.test(host) ? `ws://${host} wss://${host}` : "'self'";

/** Refuses (403) requests of pages whose origin is not allowed, and sets CORS headers for those whose origin is. */
export const originGuard =
  (policy: OriginPolicy, refusals: RefusalLog): RequestHandler =>
  (request, response, next) => {
    const { origin } = request.headers;
    const objection = policy.objectionTo(request.headers);
    response.vary('Origin');
    if (objection === 'host')
      throw new Problem('forbidden', {
        detail: 'Without tokens, the gateway answers to localhost and loopback addresses only.',
      });
    if (objection === 'proxy')
      throw new Problem('forbidden', {
        detail:
          'This request came through a proxy, and without tokens everybody behind it would be served as the owner of this ' +
          'machine. Set JWT_SECRET or JWT_JWKS_URL.',
      });
    if (objection === 'origin') {
      refusals.origin(origin);
      throw new Problem('forbidden', { detail: 'Pages of this origin may not call the gateway; see ORIGINS.' });
    }
    if (origin !== undefined && policy.allows(origin)) {
      response.set({
        'Access-Control-Allow-Origin': origin,
        'Access-Control-Expose-Headers': EXPOSED,
      });
      if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
        return void response.set(PREFLIGHT).status(204).end();
      }
    }
    next();
  };

const EXPOSED =
  'Location, Jobs-Partial, Retry-After, RateLimit, RateLimit-Policy, Accept-Ranges, Content-Disposition, Content-Range, ETag';

const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT',
  'Access-Control-Allow-Headers':
    'Authorization, Content-Type, Idempotency-Key, If-Modified-Since, If-None-Match, If-Range, Last-Event-ID, Range',
  'Access-Control-Max-Age': '600',
};
