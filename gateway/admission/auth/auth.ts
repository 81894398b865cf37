import { jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import type { JobState } from '../../../streams/job/job-state';
import { KeysUnavailable, publishedKeys } from './jwks';
import { refusalOf, TokenRefused } from './token-refused';
import { bounds } from '../../../streams/bounds';
import { isPlain } from '../../../streams/workflow/shown-text';

/** An identified caller. A `user` sees their own jobs, a `service` sees all. */
export interface Viewer {
  readonly userId: string;
  readonly role: 'user' | 'service';
  /** When the token expires, ms since 1970; absent if it does not. */
  readonly expiresAt?: number;
}

/** How tokens are signed: HS256 under a `secret` of at least 32 bytes, or with keys that are published at `jwksUrl`. */
export type AuthSettings = ({ readonly secret: Uint8Array } | { readonly jwksUrl: URL }) & {
  /** The `iss` that tokens must have; any if absent. */
  readonly issuer?: string;
  /** The `aud` that tokens must have; any if absent. */
  readonly audience?: string;
  /** How many hours from now a token's `exp` may be; 0 for no bound. 720 if absent. */
  readonly maxHours?: number;
  /** By how many seconds clocks may differ; 5 if absent. */
  readonly toleranceS?: number;
};

/** Checks tokens. */
export interface Auth {
  /** Whether callers need a token. */
  readonly required: boolean;
  /**
   * The viewer whose token it is; `undefined` without a token. Rejects with `TokenRefused`, which says why, for a bad
   * token, and with `KeysUnavailable` if it cannot be checked now.
   */
  viewerOf(token: string | undefined): Promise<Viewer | undefined>;
}

/** Takes every caller for a service: for a gateway that only this machine can reach. */
export const openAuth: Auth = {
  required: false,
  viewerOf: () => Promise.resolve({ userId: 'local', role: 'service' }),
};

/** Published keys verify signatures only: anybody could make an HMAC with a key that is public. */
const ALGORITHMS = { secret: ['HS256'], published: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] };

/**
 * Checks JSON Web Tokens: `sub` is the user, `role: 'service'` makes a service. Allows HS256 under a secret, and RS256,
 * ES256, EdDSA under published keys, whatever a token's header says. Calls `onTrouble` with each error of fetching
 * keys. Throws a `TypeError` for a secret of less than 32 bytes.
 */
export function tokenAuth(
  { issuer, audience, maxHours = 720, toleranceS = 5, ...by }: AuthSettings,
  onTrouble: (error: unknown) => void = () => undefined,
  nowMs = Date.now,
): Auth {
  const expected: Expected = {
    ...(issuer && { issuer }),
    ...(audience && { audience }),
    requiredClaims: ['exp'],
    // Clocks differ by seconds (RFC 7519, 4.1.4 and 4.1.5).
    clockTolerance: toleranceS,
  };
  const verified = verifierOf(by, expected, onTrouble, nowMs);
  return {
    required: true,
    async viewerOf(token) {
      if (token === undefined) return undefined;
      try {
        const { payload } = await verified(token);
        refuseTooLong(payload, maxHours, nowMs());
        return viewerFrom(payload, toleranceS, nowMs());
      } catch (error) {
        throw error instanceof KeysUnavailable || error instanceof TokenRefused ? error : refusalOf(error);
      }
    },
  };
}

type Expected = Pick<JWTVerifyOptions, 'issuer' | 'audience' | 'requiredClaims' | 'clockTolerance'>;

function verifierOf(
  by: { readonly secret: Uint8Array } | { readonly jwksUrl: URL },
  expected: Expected,
  onTrouble: (error: unknown) => void,
  nowMs: () => number,
): (token: string) => Promise<{ readonly payload: JWTPayload }> {
  if ('secret' in by) {
    checkSecret('secret', by.secret);
    return (token) => jwtVerify(token, by.secret, { ...expected, algorithms: ALGORITHMS.secret });
  }
  const key = publishedKeys(by.jwksUrl, onTrouble, nowMs);
  return (token) => jwtVerify(token, key, { ...expected, algorithms: ALGORITHMS.published });
}

/**
 * Throws a `TypeError` below 256 bits, which HS256 needs (RFC 7518, 3.2): an empty variable would give an empty secret.
 */
export function checkSecret(name: string, secret: unknown): asserts secret is Uint8Array {
  if (!(secret instanceof Uint8Array) || secret.length < 32)
    throw new TypeError(`${name} must be at least 32 random bytes, a Uint8Array`);
}

/** Whether the viewer may know that the job exists. */
export const maySee = (viewer: Viewer, job: Pick<JobState, 'userId'>): boolean =>
  viewer.role === 'service' || viewer.userId === job.userId;

/** The token of an `Authorization: Bearer …` header; `undefined` if it has none. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];

/** Throws if a token expires more than `maxHours` from now: one that lives for years is like one that never expires. */
function refuseTooLong({ exp = 0 }: JWTPayload, maxHours: number, now: number): void {
  if (maxHours > 0 && exp * 1000 - now > maxHours * 3_600_000 + SLACK_MS)
    throw new TokenRefused(`The token is good for more than ${maxHours} hours.`);
}
const SLACK_MS = 60_000;

function viewerFrom({ sub, exp = 0, role }: JWTPayload, toleranceS: number, now: number): Viewer {
  // Sockets and streams end with the token. One that has expired, within the tolerance, lasts until the tolerance is
  // over.
  const expiresAt = (exp * 1000 > now ? exp : exp + toleranceS) * 1000;
  if (role === 'service' && sub === undefined) return { userId: 'service', role, expiresAt };
  return { userId: userOf(sub), role: role === 'service' ? role : 'user', expiresAt };
}

/** The user's name. Some issuers use numbers, which become text. Throws for a name that no job's `userId` may be. */
function userOf(sub: unknown): string {
  const name = Number.isSafeInteger(sub) ? String(sub) : sub;
  if (typeof name !== 'string' || name === '') throw new TokenRefused('The token’s sub names no user.');
  if (!isPlain(bounds.userIdLength, name))
    throw new TokenRefused(`The token’s sub has more than ${bounds.userIdLength} characters, or control characters.`);
  return name;
}
