import { SignJWT, type JWTPayload } from 'jose';
import { tokenAuth } from '../../../gateway/auth';

export const SECRET = new TextEncoder().encode('a secret of the tests, 32 bytes and more');

/** An auth that takes what `tokenOf` makes. */
export const testAuth = tokenAuth({ secret: SECRET });

interface Signing {
  readonly secret?: Uint8Array;
  /** As jose reads it: `1h`, `1 minute ago`, or seconds since 1970. */
  readonly expires?: string | number;
  readonly alg?: string;
}

/** A valid token, unless told otherwise. */
export const tokenOf = (claims: JWTPayload, { secret = SECRET, expires = '1h', alg = 'HS256' }: Signing = {}) =>
  new SignJWT(claims).setProtectedHeader({ alg }).setExpirationTime(expires).sign(secret);
