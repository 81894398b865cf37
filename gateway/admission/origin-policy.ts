import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from './loopback';

/** What stands against a request before anybody asks who sends it. */
export type Objection = 'host' | 'proxy' | 'origin';

/** Which web pages may call the gateway. */
export interface OriginPolicy {
  /** Pages of other origins that may read answers. */
  readonly allows: (origin: string) => boolean;
  /**
   * Why a request must not be served, or `undefined`. A request without `Origin` is no foreign page's. Without
   * tokens the `Host` must name this machine, or a page whose DNS name was rebound to 127.0.0.1 would be its own origin;
   * and nobody comes through a proxy, or the whole network would be served as this machine's owner.
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

/** What reverse proxies add to the requests of others. */
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

/** Schemes may differ: TLS may end at a proxy before us. Some proxies name the port that browsers leave out. */
const isOwn = (origin: string, host = ''): boolean => {
  const named = host.toLowerCase();
  return URL.canParse(origin) && [named, named.replace(/:(80|443)?$/, '')].includes(new URL(origin).host);
};

/** A web origin as browsers write it, of text that may end in a slash; `undefined` where the text is none. */
export function webOrigin(text: string): string | undefined {
  const origin = text.replace(/\/$/, '');
  const isOne = /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
  return isOne ? origin : undefined;
}
