import { jwtVerify, type JWTPayload } from 'jose';
import type { JobState } from '../../streams/job/job-state';
import { KeysUnavailable, publishedKeys } from './jwks';
import type { AuthSettings } from '../settings/settings';

/** Who asks. A `user` has their own jobs, a `service` has all. */
export interface Viewer {
  readonly userId: string;
  readonly role: 'user' | 'service';
  /** When the token ends, milliseconds since 1970; absent where it does not. */
  readonly expiresAt?: number;
}

export interface Auth {
  /** Whether a token is needed at all. */
  readonly required: boolean;
  /** Whose token it is, or `undefined` for a missing, forged or expired one. Rejects with `KeysUnavailable` where it cannot be checked now. */
  viewerOf(token: string | undefined): Promise<Viewer | undefined>;
}

/** Everybody is the service: for a gateway that only this machine can reach. */
export const openAuth: Auth = {
  required: false,
  viewerOf: () => Promise.resolve({ userId: 'local', role: 'service' }),
};

/** Of a published key the other half is public: an HMAC under it would be anybody's. */
const ALGORITHMS = { secret: ['HS256'], published: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] };

/**
 * Tokens: `sub` is the user, `role: 'service'` sees all. The algorithms are pinned, whatever a token's header says. Trouble
 * with fetching keys is told to `onTrouble`.
 */
export function tokenAuth(
  { issuer, audience, ...by }: AuthSettings,
  onTrouble: (error: unknown) => void = () => undefined,
  nowMs = Date.now,
): Auth {
  const expected = { ...(issuer && { issuer }), ...(audience && { audience }) };
  const verified = verifierOf(by, expected, onTrouble, nowMs);
  return {
    required: true,
    async viewerOf(token) {
      if (token === undefined) return undefined;
      try {
        return viewerFrom((await verified(token)).payload);
      } catch (error) {
        if (error instanceof KeysUnavailable) throw error;
        // Anything else is wrong with the token.
        return undefined;
      }
    },
  };
}

function verifierOf(
  by: { readonly secret: Uint8Array } | { readonly jwksUrl: URL },
  expected: { readonly issuer?: string; readonly audience?: string },
  onTrouble: (error: unknown) => void,
  nowMs: () => number,
): (token: string) => Promise<{ readonly payload: JWTPayload }> {
  if ('secret' in by) return (token) => jwtVerify(token, by.secret, { ...expected, algorithms: ALGORITHMS.secret });
  const key = publishedKeys(by.jwksUrl, onTrouble, nowMs);
  return (token) => jwtVerify(token, key, { ...expected, algorithms: ALGORITHMS.published });
}

/** Whether the viewer may know that the job exists. */
export const maySee = (viewer: Viewer, job: Pick<JobState, 'userId'>): boolean =>
  viewer.role === 'service' || viewer.userId === job.userId;

/** The token of an `Authorization: Bearer …` header. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];

const viewerFrom = ({ sub, exp, role }: JWTPayload): Viewer | undefined => {
  const expiry = exp === undefined ? {} : { expiresAt: exp * 1000 };
  if (role === 'service') return { userId: sub ?? 'service', role, ...expiry };
  return sub ? { userId: sub, role: 'user', ...expiry } : undefined;
};
