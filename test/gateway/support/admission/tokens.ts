import { SignJWT, type JWTPayload } from 'jose';
import { tokenAuth } from '../../../../gateway/admission/auth/auth';
import { canary, watchFor } from '../../../support/jest/canary';

export const SECRET = new TextEncoder().encode(canary('jwt-secret'));

/** An auth that takes what `tokenOf` makes. */
export const testAuth = tokenAuth({ secret: SECRET });

interface Signing {
  readonly secret?: Uint8Array;
  /** As jose reads it: `1h`, `1 minute ago`, or seconds since 1970. */
  readonly expires?: string | number;
  readonly alg?: string;
}

/** A valid token, unless told otherwise. */
export const tokenOf = async (
  claims: JWTPayload,
  { secret = SECRET, expires = '1h', alg = 'HS256' }: Signing = {},
): Promise<string> => {
  const token = await new SignJWT(claims).setProtectedHeader({ alg }).setExpirationTime(expires).sign(secret);
  watchFor(token.slice(token.lastIndexOf('.') + 1));
  return token;
};
