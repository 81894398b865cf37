import { forgetAll, keep, kept } from './tab-storage';

const NAME = 'token';
/** Where the browser keeps nothing, the token is good until the next reload. */
let token: string | undefined;

/** The token, from the address (`#token=…`, which is then taken out of it) or from earlier in this tab. */
export function currentToken(): string | undefined {
  const given = /^#token=([^&]+)/.exec(location.hash)?.[1];
  if (given !== undefined) {
    keepToken(decodeURIComponent(given));
    history.replaceState(null, '', location.pathname + location.search);
  }
  return (token ??= kept(NAME) as string | undefined);
}

export function keepToken(given: string): void {
  token = given;
  keep(NAME, given);
}

/** And all that was kept under it. */
export function forgetToken(): void {
  token = undefined;
  forgetAll();
}

/** Whom a token names, as far as this page can read it; the gateway is who checks it. */
export function holderOf(jwt: string | undefined): { readonly userId?: string; readonly isService: boolean } {
  try {
    const payload = (jwt ?? '').split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const { sub, role } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly sub?: unknown;
      readonly role?: unknown;
    };
    return { ...(typeof sub === 'string' && { userId: sub }), isService: role === 'service' };
  } catch {
    return { isService: jwt === undefined };
  }
}
