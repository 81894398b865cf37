import type { RequestHandler } from 'express';
import helmet from 'helmet';
import type { OriginPolicy } from '../admission/origin-policy';
import { Problem } from '../wire/problem';

/** Headers that keep the dashboard to itself: its own scripts, styles and sockets, and images it made. */
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
        connectSrc: ["'self'", 'ws:'],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Whoever ends TLS before us knows whether every name of the domain has it.
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
  });

/** Refuses what a foreign page sends, and lets allowed origins read. */
export const originGuard =
  (policy: OriginPolicy): RequestHandler =>
  (request, response, next) => {
    const { origin } = request.headers;
    const objection = policy.objectionTo(request.headers);
    response.vary('Origin');
    if (objection === 'host')
      throw new Problem('forbidden', {
        detail: 'Without tokens, the gateway answers to localhost and loopback addresses only.',
      });
    if (objection === 'origin')
      throw new Problem('forbidden', { detail: 'Pages of this origin may not call the gateway; see ORIGINS.' });
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
  'Location, Retry-After, RateLimit, RateLimit-Policy, Accept-Ranges, Content-Disposition, Content-Range, ETag';

const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT',
  'Access-Control-Allow-Headers':
    'Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range',
  'Access-Control-Max-Age': '600',
};
