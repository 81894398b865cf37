import { SignJWT, type JWTPayload } from 'jose';
import { tokenAuth } from '../../../gateway/auth';

export const SECRET = new TextEncoder().encode('a secret of the tests, 32 bytes and more');

/** An auth that takes what `tokenOf` makes. */
export const testAuth = tokenAuth({ secret: SECRET });

/** A valid token, unless told otherwise. */
export const tokenOf = (
  claims: JWTPayload,
  { secret = SECRET, expires = '1h' as string | number, alg = 'HS256' } = {},
): Promise<string> => new SignJWT(claims).setProtectedHeader({ alg }).setExpirationTime(expires).sign(secret);
