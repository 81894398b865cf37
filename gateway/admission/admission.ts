import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { bounds } from '../../streams/bounds';
import { bearerToken, type Auth, type Viewer } from './auth/auth';
import { TokenRefused } from './auth/token-refused';
import { Problem } from '../wire/problem';
import { networkOf } from './network';
import { meter, type Allowance, type Meter, type Rates } from './limits/rate-limits';

/** Who may ask now. */
export interface Admission {
  /** Finds out who sends a token, and counts those who send none that is valid by their address. Rejects with a `Problem`. */
  viewerOf(token: string | undefined, request: IncomingMessage): Promise<Viewer | undefined>;
  /** Counts bytes that a caller sends. Rejects with a `Problem` where they are too many for now. */
  readonly weigh: (viewer: Viewer, bytes: number) => Promise<void>;
  /** Rejects with a `Problem` where a user's requests are spent by now: for work that had to wait for its turn. */
  readonly recheck: (viewer: Viewer) => Promise<void>;
  /** Counts an answer of so many bytes as that many requests more as it is worth. Resolves with the headers that tell what is left. */
  readonly charge: (viewer: Viewer, bytes: number) => Promise<Readonly<Record<string, string>>>;
  /** Leaves the viewer, or why there is none, in `response.locals`; lets nobody ask too often. */
  readonly http: RequestHandler;
}

const MINUTE_S = 60;

/**
 * Users are counted by name, all others by address, services and this machine's own callers not at all. `proxies` is how
 * many proxies stand before us, each of which adds the address that it was asked from to `X-Forwarded-For`.
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
      // The reports of a job are counted by themselves.
      if (response.locals['isReporter'] === true) {
        next();
        return;
      }
      // Who came by a signed URL is known already; what needs no token is answered to a bad one too.
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

/** What large answers cost their callers, beside the request. */
const largeAnswers = (users: Meter): Pick<Admission, 'recheck' | 'charge'> => ({
  recheck: async ({ role, userId }) => {
    const allowance = role === 'service' ? undefined : await users.take(userId, 0);
    if (allowance?.granted === false) throw tooManyRequests(allowance);
  },
  charge: async ({ role, userId }, bytes) =>
    role === 'service' ? {} : headersOf(await users.take(userId, Math.floor(bytes / bounds.bytesPerRequest))),
});

/** Where a request comes from, as far as callers are told apart by it. */
export const addressOf = (request: IncomingMessage, proxies: number): string => networkOf(hostOf(request, proxies));

const hostOf = ({ headers, socket }: IncomingMessage, proxies: number): string => {
  const path = String(headers['x-forwarded-for'] ?? '').split(',');
  // What stands further to the left was written by who asks.
  const forwarded = proxies > 0 ? path.at(-proxies)?.trim() : undefined;
  return forwarded === undefined || forwarded === '' ? (socket.remoteAddress ?? '') : forwarded;
};

/** As the IETF's draft on RateLimit header fields has it. */
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
