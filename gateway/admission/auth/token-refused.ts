import { errors } from 'jose';

/** A token that is not good. The message says why, fit for its bearer: nothing of the token is in it. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

/** Why a token was refused. What its claims say is told only once its signature was found good, which jose sees to. */
export const refusalOf = (error: unknown): TokenRefused => new TokenRefused(reasonOf(error), { cause: error });

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) return CLAIMS[error.claim] ?? 'A claim of the token is wrong.';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The token’s signature is wrong.';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'The token is signed with an algorithm that is not taken here.';
  if (error instanceof errors.JWKSNoMatchingKey) return 'The token is signed with a key that is not published.';
  return 'The token is no signed JWT.';
}

const CLAIMS: Readonly<Record<string, string>> = {
  exp: 'The token has no exp, or one that is no number: it must end one day.',
  nbf: 'The token is not valid yet.',
  iss: 'The token is of another issuer.',
  aud: 'The token is for another audience.',
};
