import { JobstreamError } from './jobstream-error';

/** Where a gateway is. */
export interface Place {
  /** The gateway's URL with its base path, without an end slash. */
  readonly url: string;
  readonly origin: string;
  /** The path of its Socket.IO sockets. */
  readonly path: string;
}

/** Reads a gateway's URL; in a page a path alone will do. Throws a `JobstreamError` with the code `bad-url`. */
export function placeOf(url: string): Place {
  const page = (globalThis as { readonly location?: { readonly href: string } }).location?.href;
  const given = URL.canParse(url, page) ? new URL(url, page) : undefined;
  const { protocol = '', pathname = '' } = given ?? {};
  const scheme = ({ 'http:': 'http:', 'https:': 'https:', 'ws:': 'http:', 'wss:': 'https:' } as const)[protocol];
  if (given === undefined || scheme === undefined)
    throw new JobstreamError('bad-url', `${url} is no URL of a gateway, such as https://jobs.example.com/path.`);
  const origin = `${scheme}//${given.host}`;
  const base = pathname.replace(/\/+$/, '');
  return { url: origin + base, origin, path: `${base}/socket.io/` };
}
