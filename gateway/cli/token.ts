import * as E from 'fp-ts/Either';
import { SignJWT } from 'jose';
import { tokenAuth } from '../admission/auth/auth';
import type { FieldError } from '../wire/described.codec';
import { authSettingsOf, type Environment } from './settings/settings';
import type { Command } from './arguments';

type Asked = Extract<Command, { readonly tag: 'token' }>;

/** Makes a token that a gateway with the same settings accepts. Left: why it cannot. */
export async function makeToken(
  { user, service, hours }: Asked,
  environment: Environment,
  nowMs: number,
): Promise<E.Either<readonly FieldError[], string>> {
  const settings = authSettingsOf(environment);
  if (E.isLeft(settings)) return settings;
  const auth = settings.right;
  if (auth === undefined || !('secret' in auth)) return E.left([{ field: 'JWT_SECRET', message: NO_SECRET }]);
  const claims = new SignJWT(service ? { role: 'service' } : {}).setProtectedHeader({ alg: 'HS256' });
  if (user !== undefined) claims.setSubject(user);
  if (auth.issuer !== undefined) claims.setIssuer(auth.issuer);
  if (auth.audience !== undefined) claims.setAudience(auth.audience);
  const issuedAt = Math.floor(nowMs / 1000);
  const token = await claims
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + Math.round(hours * 3600))
    .sign(auth.secret);
  // Check the token as the gateway will, which may refuse its name or its time.
  const refusal = await tokenAuth(auth)
    .viewerOf(token)
    .then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
  return refusal === undefined ? E.right(token) : E.left([{ field: 'token', message: `would be refused: ${refusal}` }]);
}

const NO_SECRET =
  'is needed to sign with, the one that the gateway has; tokens under JWT_JWKS_URL are made by whoever publishes the keys';
