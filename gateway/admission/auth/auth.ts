import { jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import type { JobState } from '../../../streams/job/job-state';
import { KeysUnavailable, publishedKeys } from './jwks';
import { refusalOf, TokenRefused } from './token-refused';
import { bounds } from '../../../streams/bounds';
import { isPlain } from '../../../streams/workflow/shown-text';

/** Who asks. A `user` has their own jobs, a `service` has all. */
export interface Viewer {
  readonly userId: string;
  readonly role: 'user' | 'service';
  /** When the token ends, milliseconds since 1970; absent where it does not. */
  readonly expiresAt?: number;
}

/** With what callers prove who they are: with HS256 tokens under one secret, or with those of somebody who publishes his keys. */
export type AuthSettings = ({ readonly secret: Uint8Array } | { readonly jwksUrl: URL }) & {
  readonly issuer?: string;
  readonly audience?: string;
  /** How long a token may be good, from now; 0 for as long as it says. 720 where absent. */
  readonly maxHours?: number;
  /** By how much clocks may differ; 5 where absent. */
  readonly toleranceS?: number;
};

/** How callers prove who they are. */
export interface Auth {
  /** Whether a token is needed at all. */
  readonly required: boolean;
  /**
   * Whose token it is, or `undefined` for none. Rejects with `TokenRefused` for a forged or expired one, which says why, and
   * with `KeysUnavailable` where it cannot be checked now.
   */
  viewerOf(token: string | undefined): Promise<Viewer | undefined>;
}

/** Everybody is the service: for a gateway that only this machine can reach. */
export const openAuth: Auth = {
  required: false,
  viewerOf: () => Promise.resolve({ userId: 'local', role: 'service' }),
};

/** Published keys verify signatures only: anybody could make an HMAC with a key that is public. */
const ALGORITHMS = { secret: ['HS256'], published: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] };

/**
 * Tokens: `sub` is the user, `role: 'service'` sees all. The algorithms are pinned, whatever a token's header says. Trouble
 * with fetching keys is told to `onTrouble`. Throws a `TypeError` for a secret of less than 32 bytes.
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

/** HS256 wants 256 bits (RFC 7518, 3.2); of an empty variable, say, there would be a secret that anybody has. Throws a `TypeError`. */
export function checkSecret(name: string, secret: unknown): asserts secret is Uint8Array {
  if (!(secret instanceof Uint8Array) || secret.length < 32)
    throw new TypeError(`${name} must be at least 32 random bytes, a Uint8Array`);
}

/** Whether the viewer may know that the job exists. */
export const maySee = (viewer: Viewer, job: Pick<JobState, 'userId'>): boolean =>
  viewer.role === 'service' || viewer.userId === job.userId;

/** The token of an `Authorization: Bearer …` header. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];

/** A token that is good for years is as good as one without an end. */
function refuseTooLong({ exp = 0 }: JWTPayload, maxHours: number, now: number): void {
  if (maxHours > 0 && exp * 1000 - now > maxHours * 3_600_000 + SLACK_MS)
    throw new TokenRefused(`The token is good for more than ${maxHours} hours.`);
}
const SLACK_MS = 60_000;

function viewerFrom({ sub, exp = 0, role }: JWTPayload, toleranceS: number, now: number): Viewer {
  // What lasts ends with the token; who comes a little late, by our clock, has those seconds.
  const expiresAt = (exp * 1000 > now ? exp : exp + toleranceS) * 1000;
  if (role === 'service' && sub === undefined) return { userId: 'service', role, expiresAt };
  return { userId: userOf(sub), role: role === 'service' ? role : 'user', expiresAt };
}

/** Some issuers number their users; the text of the number is the user then. What no job could belong to is refused. */
function userOf(sub: unknown): string {
  const name = Number.isSafeInteger(sub) ? String(sub) : sub;
  if (typeof name !== 'string' || name === '') throw new TokenRefused('The token’s sub names no user.');
  if (!isPlain(bounds.userIdLength, name))
    throw new TokenRefused(`The token’s sub has more than ${bounds.userIdLength} characters, or control characters.`);
  return name;
}
