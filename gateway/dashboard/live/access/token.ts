import { decoded } from '../../model/place';
import { forgetAll, keep, kept } from '../tab-storage';

const NAME = 'token';
/** The token of this tab. If the browser allows no storage, it is lost at the next reload. */
let token: string | undefined;

/** The token that this tab kept. */
export const currentToken = (): string | undefined => (token ??= kept(NAME) as string | undefined);

export function keepToken(given: string): void {
  token = given;
  keep(NAME, given);
}

/** Forgets the token, and all else that this tab kept. */
export function forgetToken(): void {
  token = undefined;
  forgetAll();
}

/** Reads a link's token (`#token=…`) and removes it from the address; `unreadable` if it is malformed. */
export function linkedToken():
  { readonly tag: 'token'; readonly token: string } | { readonly tag: 'none' } | { readonly tag: 'unreadable' } {
  const [, given] = /^#token=([^&]*)/.exec(location.hash) ?? [];
  if (given === undefined) return { tag: 'none' };
  history.replaceState(null, '', location.pathname + location.search);
  const found = tokenIn(decoded(given) ?? '');
  return found === undefined ? { tag: 'unreadable' } : { tag: 'token', token: found };
}

/** The token in a pasted text: alone, in quotes, or in an `Authorization` header; `undefined` if there is none. */
export function tokenIn(pasted: string): string | undefined {
  const bare = pasted
    .trim()
    .replace(/^["'`]+|["'`,;]+$/g, '')
    .replace(/^authorization\s*:\s*/i, '')
    .replace(/^bearer(\s+|$)/i, '')
    .replace(/\s+/g, '');
  return /^[\w.~+/=-]+$/.test(bare) ? bare : undefined;
}

interface Claims {
  readonly sub?: unknown;
  readonly role?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
}

/** The claims of a token, unverified: only the gateway can check the signature. `undefined` if it is no JWT. */
function claimsOf(jwt: string): Claims | undefined {
  const parts = jwt.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const payload = (parts[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
    return typeof claims === 'object' && claims !== null ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** The user and role that a token names, unverified. Without a token, everybody is a service. */
export function holderOf(jwt: string | undefined): { readonly userId?: string; readonly isService: boolean } {
  if (jwt === undefined) return { isService: true };
  const { sub, role } = claimsOf(jwt) ?? {};
  const userId = userIn(sub);
  return { ...(userId !== undefined && { userId }), isService: role === 'service' };
}

/** A user's name. Some issuers use numbers. */
const userIn = (sub: unknown): string | undefined =>
  (typeof sub === 'string' && sub !== '') || typeof sub === 'number' ? String(sub) : undefined;

/** Whether it has the shape of a JWT. The gateway checks all else, such as its time, by its own clock. */
export const isJwt = (token: string): boolean => claimsOf(token) !== undefined;

/** What is wrong with a refused token, if its claims show it without the key; else `undefined`. */
export function flawOf(jwt: string, nowMs: number): string | undefined {
  const claims = claimsOf(jwt);
  if (claims === undefined) return NO_JWT;
  const { exp, nbf, sub, role } = claims;
  if (typeof exp === 'number' && exp * 1000 <= nowMs) return `It ran out on ${timeOf(exp * 1000)}.`;
  if (typeof nbf === 'number' && nbf * 1000 > nowMs) return `It is good from ${timeOf(nbf * 1000)} on only.`;
  if (userIn(sub) === undefined && role !== 'service') return 'It names no user (sub).';
  return undefined;
}

export const NO_JWT = 'It is no JSON Web Token: that has three parts with dots between them.';

const timeOf = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
