import { validateHeaderName, validateHeaderValue } from 'node:http';

/** Where a ComfyUI server is, and what every request to it carries. */
export interface ServerAddress {
  /** As it is shown and stored: no credentials, no trailing slash. */
  readonly url: string;
  /** What users know it by, who are not told its URL. */
  readonly name: string;
  /** Sent with each request and each socket; may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /** The client id of our own session; made up where absent. */
  readonly clientId?: string;
}

/** A server as settings give it. */
export interface ServerOptions {
  /** Credentials allowed. */
  readonly url: string;
  /** What users know it by; `server-1`, `server-2`, … by position where absent. */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /**
   * The client id under which the socket is opened and jobs are posted, where somebody else posts under it too and wants
   * those jobs heard; made up where absent. For one instance alone: of two under one id, ComfyUI hears only one.
   */
  readonly clientId?: string;
}

/** Reads the server at a position, counted from 0. Credentials in its URL become an `Authorization` header and leave the URL. Throws a `TypeError` that names what is wrong. */
export function serverAddress(given: string | ServerOptions, position = 0): ServerAddress {
  const {
    url: text,
    name = `server-${position + 1}`,
    headers = {},
    tags,
    clientId,
  } = typeof given === 'string' ? ({ url: given } as ServerOptions) : given;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError('a server must be an http or https URL');
  if (url.search !== '' || url.hash !== '') throw new TypeError('a server URL must have no query and no fragment');
  for (const [header, value] of Object.entries(headers)) checkHeader(header, value);
  const login = loginIn(url);
  const authorized = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  const basic = login === ':' || authorized ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  return {
    url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    name,
    headers: { ...basic, ...headers },
    ...(tags !== undefined && { tags }),
    ...(clientId !== undefined && { clientId }),
  };
}

/** Names the header and never its value, which may be a secret. */
function checkHeader(header: string, value: string): void {
  try {
    validateHeaderName(header);
    validateHeaderValue(header, value);
  } catch {
    throw new TypeError(`a server’s header ${JSON.stringify(header.slice(0, 64))} is none that HTTP can carry`);
  }
}

function loginIn({ username, password }: URL): string {
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    throw new TypeError('a login in a server URL must be percent-encoded: % is %25');
  }
}
