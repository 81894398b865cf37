import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from './loopback';

/** Why a request is refused before its token is looked at: its `Host`, a proxy, or its `Origin`. */
export type Objection = 'host' | 'proxy' | 'origin';

/** Which web pages may call the gateway. */
export interface OriginPolicy {
  /** Whether pages of this origin, other than the gateway's own, may read answers. */
  readonly allows: (origin: string) => boolean;
  /**
   * Why a request is refused; `undefined` if it is fine. A request without `Origin` does not come from a foreign page.
   * Without tokens, `Host` must name this machine: else a page whose DNS name was rebound to 127.0.0.1 would count as
   * the gateway's own. And no request may come through a proxy: else the whole network would be served as this
   * machine's owner.
   */
  readonly objectionTo: (headers: IncomingHttpHeaders) => Objection | undefined;
}

export const originPolicy = (origins: readonly string[], tokensRequired: boolean): OriginPolicy => {
  const allows = (origin: string): boolean => origins.includes(origin);
  return {
    allows,
    objectionTo: (headers) => {
      const { host, origin } = headers;
      if (!tokensRequired && !isLoopback(withoutPort(host ?? ''))) return 'host';
      if (!tokensRequired && FORWARDED.some((name) => headers[name] !== undefined)) return 'proxy';
      return origin === undefined || allows(origin) || isOwn(origin, host) ? undefined : 'origin';
    },
  };
};

/** Headers that reverse proxies add. */
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-real-ip',
  'x-original-forwarded-for',
  'x-client-ip',
  'cf-connecting-ip',
  'true-client-ip',
  'via',
] as const;

const withoutPort = (host: string): string => host.toLowerCase().replace(/:\d*$/, '');

/** Whether the origin is the gateway's own. Schemes may differ, because a proxy may end TLS; so may a default port. */
const isOwn = (origin: string, host = ''): boolean => {
  const named = host.toLowerCase();
  return URL.canParse(origin) && [named, named.replace(/:(80|443)?$/, '')].includes(new URL(origin).host);
};

/** A web origin as browsers write it, without an end slash; `undefined` if the text is none. */
export function webOrigin(text: string): string | undefined {
  const origin = text.replace(/\/$/, '');
  const isOne = /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
  return isOne ? origin : undefined;
}
