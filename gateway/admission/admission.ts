import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { bounds } from '../../streams/bounds';
import { bearerToken, type Auth, type Viewer } from './auth/auth';
import { TokenRefused } from './auth/token-refused';
import { Problem } from '../wire/problem';
import { networkOf } from './network';
import { meter, type Allowance, type Meter, type Rates } from './limits/rate-limits';

/** Identifies callers and limits how often they ask. */
export interface Admission {
  /**
   * The viewer whose token it is. A caller without a valid token is counted by address. Rejects with a `Problem` past
   * the bound, and with the error of `Auth.viewerOf`.
   */
  viewerOf(token: string | undefined, request: IncomingMessage): Promise<Viewer | undefined>;
  /** Counts bytes of a caller's bodies. Rejects with a `Problem` past `bytesPerMinute`. */
  readonly weigh: (viewer: Viewer, bytes: number) => Promise<void>;
  /** Rejects with a `Problem` if a user has used up the requests of the minute. Call it for work that had to wait. */
  readonly recheck: (viewer: Viewer) => Promise<void>;
  /**
   * Counts an answer as one more request per `bounds.bytesPerRequest` (64 KiB). Resolves with the `RateLimit` headers.
   */
  readonly charge: (viewer: Viewer, bytes: number) => Promise<Readonly<Record<string, string>>>;
  /** Sets `response.locals.viewer`, or `refusal` for a bad token. Passes a `Problem` on past `requestsPerMinute`. */
  readonly http: RequestHandler;
}

const MINUTE_S = 60;

/**
 * Counts users by name and callers without a valid token by address. Services are not counted, nor are the callers of a
 * gateway without tokens, who are all services. `proxies`: how many proxies stand before the gateway, each of which
 * appends the address of its client to `X-Forwarded-For`.
 */
export function admission(auth: Auth, { requestsPerMinute, bytesPerMinute }: Rates, proxies: number): Admission {
  const users = meter(requestsPerMinute, MINUTE_S);
  const weights = meter(bytesPerMinute, MINUTE_S);
  const addresses = meter(requestsPerMinute, MINUTE_S);

  const strangerFrom = async (request: IncomingMessage): Promise<Allowance> => {
    const allowance = await addresses.take(addressOf(request, proxies));
    if (!allowance.granted) throw tooManyRequests(allowance);
    return allowance;
  };
  const known = (token: string | undefined, request: IncomingMessage): Promise<Viewer | undefined> =>
    auth.viewerOf(token).catch(async (error: unknown) => {
      await strangerFrom(request);
      throw error;
    });

  return {
    async viewerOf(token, request) {
      const viewer = await known(token, request);
      if (viewer === undefined) await strangerFrom(request);
      return viewer;
    },
    weigh: async (viewer, bytes) => {
      if (viewer.role === 'service') return;
      const { granted, most, inMs } = await weights.take(viewer.userId, bytes);
      if (granted) return;
      const detail = `Of one caller, ${most} bytes a minute are taken.`;
      throw new Problem('too-many-requests', { detail }, { 'Retry-After': String(seconds(inMs)) });
    },
    ...largeAnswers(users),
    http: async (request, response, next) => {
      // Reports are limited by job, in their own route.
      if (response.locals['isReporter'] === true) {
        next();
        return;
      }
      // A signed URL has identified its user already. A bad token is no error yet: some routes need none.
      const signed = response.locals['viewer'] as Viewer | undefined;
      const viewer =
        signed ??
        (await auth.viewerOf(bearerToken(request.headers.authorization)).catch(async (error: unknown) => {
          if (!(error instanceof TokenRefused)) {
            await strangerFrom(request);
            throw error;
          }
          response.locals['refusal'] ??= error;
          return undefined;
        }));
      response.locals['viewer'] = viewer;
      if (viewer?.role === 'service') {
        next();
        return;
      }
      const allowance = await (viewer ? users.take(viewer.userId) : strangerFrom(request));
      if (!allowance.granted) throw tooManyRequests(allowance);
      response.set(headersOf(allowance));
      next();
    },
  };
}

/** Counts what large answers cost beside their request. */
const largeAnswers = (users: Meter): Pick<Admission, 'recheck' | 'charge'> => ({
  recheck: async ({ role, userId }) => {
    const allowance = role === 'service' ? undefined : await users.take(userId, 0);
    if (allowance?.granted === false) throw tooManyRequests(allowance);
  },
  charge: async ({ role, userId }, bytes) =>
    role === 'service' ? {} : headersOf(await users.take(userId, Math.floor(bytes / bounds.bytesPerRequest))),
});

/** The network that a request comes from, as `networkOf` gives it. */
export const addressOf = (request: IncomingMessage, proxies: number): string => networkOf(hostOf(request, proxies));

const hostOf = ({ headers, socket }: IncomingMessage, proxies: number): string => {
  const path = String(headers['x-forwarded-for'] ?? '').split(',');
  // Each of our proxies appended one address; all further to the left the caller may have made up.
  const forwarded = proxies > 0 ? path.at(-proxies)?.trim() : undefined;
  return forwarded === undefined || forwarded === '' ? (socket.remoteAddress ?? '') : forwarded;
};

/** The fields of the IETF's draft on RateLimit headers; none if there is no bound. */
const headersOf = ({ most, left, inMs }: Allowance): Readonly<Record<string, string>> =>
  most === Infinity
    ? {}
    : {
        'RateLimit-Policy': `"requests";q=${most};w=${MINUTE_S}`,
        RateLimit: `"requests";r=${left};t=${seconds(inMs)}`,
      };

const tooManyRequests = (allowance: Allowance): Problem =>
  new Problem(
    'too-many-requests',
    { detail: `Of one caller, ${allowance.most} requests a minute are answered.` },
    { 'Retry-After': String(seconds(allowance.inMs)), ...headersOf(allowance) },
  );

const seconds = (ms: number): number => Math.ceil(ms / 1000);
