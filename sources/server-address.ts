import { validateHeaderName, validateHeaderValue } from 'node:http';
import { refuseUnknown } from '../streams/options';

/** Where a ComfyUI server is, and what every request to it carries. */
export interface ServerAddress {
  /** As it is shown and stored: no credentials, no trailing slash. */
  readonly url: string;
  /** The name that users see: they are not told the URL. */
  readonly name: string;
  /** Sent with each request and each socket; may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /** The client id of the instance's own session; generated if absent. */
  readonly clientId?: string;
}

/** A server as settings give it. */
export interface ServerOptions {
  /** May hold credentials. */
  readonly url: string;
  /** What users know it by; `server-1`, `server-2`, … by position where absent. */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  /**
   * The client id of the socket and of posts, if another program posts under it too and its jobs are to be heard;
   * generated if absent. For one instance only: of two sockets under one id, ComfyUI serves one.
   */
  readonly clientId?: string;
}

/**
 * Reads the server at a position, counted from 0. Moves credentials from its URL to an `Authorization` header. Throws a
 * `TypeError` that names what is wrong.
 */
export function serverAddress(given: string | ServerOptions, position = 0): ServerAddress {
  const described = typeof given === 'string' ? { url: given } : given;
  checkShape(described);
  const { url: text, name = `server-${position + 1}`, headers = {}, tags, clientId }: ServerOptions = described;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError('a server must be an http or https URL, such as http://127.0.0.1:8188');
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

const KNOWN: Readonly<Record<keyof ServerOptions, true>> = {
  url: true,
  name: true,
  headers: true,
  tags: true,
  clientId: true,
};

/** A text in place of a list of tags, say, would take every job type that is a part of it. */
function checkShape(given: unknown): asserts given is ServerOptions {
  if (typeof given !== 'object' || given === null)
    throw new TypeError('a server must be a URL, or an object with a url');
  refuseUnknown(given, KNOWN, 'a server’s ');
  const { name, headers, tags, clientId } = given as Partial<Record<keyof ServerOptions, unknown>>;
  for (const [field, value] of Object.entries({ name, clientId }))
    if (value !== undefined && !isText(value)) throw new TypeError(`a server’s ${field} must be text`);
  if (headers !== undefined && (typeof headers !== 'object' || headers === null))
    throw new TypeError('a server’s headers must be an object');
  if (tags !== undefined && !(Array.isArray(tags) && tags.every(isText)))
    throw new TypeError('a server’s tags must be a list of job types');
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

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
