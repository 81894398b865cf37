import { errors } from 'jose';

/** A bad token. The message says why, and may be shown to the bearer: it holds nothing of the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

/** Says why jose refused a token. The message may name a bad claim: jose checks claims only after the signature. */
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
