import { isIP } from 'node:net';
import * as E from 'fp-ts/Either';
import { pipe } from 'fp-ts/function';
import { redisUrl } from '../../../sinks/redis/connection/url';
import { checked } from '../../wire/described.codec';
import { isLoopback } from '../../admission/loopback';
import { webOrigin } from '../../admission/origin-policy';
import { pathPrefix } from '../../http/base-path';
import { namesFile, serversIn, type DescribedServer } from './servers-file.codec';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const SERVERS_WANTED =
  'must be one or more http:// or https:// URLs without a query, such as http://127.0.0.1:8188, separated by commas, ' +
  'or a JSON file of servers';

/** Text that holds more than spaces. */
export const Words = setting('Words', (text) => (text.trim() === '' ? E.left('must not be blank') : E.right(text)));

/** ComfyUI servers: URLs with commas between, or a JSON file that describes them. Trailing slashes are taken off. */
export const Servers = checked('Servers', (value): E.Either<string, readonly DescribedServer[]> => {
  if (typeof value !== 'string') return E.left(`is required and ${SERVERS_WANTED}`);
  const text = value.trim();
  return pipe(
    namesFile(text) ? serversIn(text) : E.right(parts(text).map((url): DescribedServer => ({ url }))),
    E.chain((servers) => {
      const bad = servers.findIndex(({ url }) => !isServer(url));
      if (servers.length === 0 || bad >= 0)
        return E.left(servers.length > 1 ? `${SERVERS_WANTED}; no. ${bad + 1} is none` : SERVERS_WANTED);
      if (!servers.every(({ url }) => isLoginReadable(url)))
        return E.left('has a login that is not percent-encoded: % is %25');
      const trimmed = servers.map((server) => ({ ...server, url: server.url.replace(/\/+$/, '') }));
      const urls = new Set(trimmed.map(({ url }) => url));
      if (urls.size < trimmed.length) return E.left('names the same server twice');
      const names = new Set(trimmed.map(({ name }, position) => name ?? `server-${position + 1}`));
      return names.size < trimmed.length ? E.left('gives two servers the same name') : E.right(trimmed);
    }),
  );
});

/** On or off. */
export const Flag = setting('Flag', (text) =>
  ['1', 'true'].includes(text)
    ? E.right(true)
    : ['0', 'false'].includes(text)
      ? E.right(false)
      : E.left('must be 1 or 0'),
);

/** The URL of a Redis, or URLs of a cluster's nodes. */
export const RedisUrl = setting('RedisUrl', (text) =>
  pipe(
    E.tryCatch(
      () => redisUrl(text),
      () => 'must be a redis:// or rediss:// URL; of a cluster, several with commas, or one with ?cluster=1',
    ),
    E.map(() => text),
  ),
);

/** An address or host name to listen on. */
export const Host = setting('Host', (text) =>
  isIP(text) > 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text)
    ? E.right(text)
    : E.left('must be an IP address or a host name, without scheme and port'),
);

export const Port = setting('Port', (text) =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65535
    ? E.right(Number(text))
    : E.left('must be a whole number from 0 to 65535; 0 takes a free port'),
);

/** A whole number; whether 0 means none or no bound depends on the setting. */
export const Count = setting('Count', (text) =>
  /^\d{1,9}$/.test(text) ? E.right(Number(text)) : E.left('must be a whole number; 0 for none, or no bound'),
);

/** A bound; 0 becomes Infinity. */
export const Bound = setting('Bound', (text) =>
  /^\d{1,15}$/.test(text)
    ? E.right(Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text))
    : E.left('must be a whole number; 0 for no bound'),
);

/** A number of bytes, at least 1. */
export const Bytes = setting('Bytes', (text) =>
  /^[1-9]\d{0,14}$/.test(text) ? E.right(Number(text)) : E.left('must be a whole number of bytes, at least 1'),
);

/** A path without an end slash; empty for the root. */
export const BasePath = setting('BasePath', (text) => {
  const path = pathPrefix(text);
  return path === undefined ? E.left('must be a path such as /comfy') : E.right(path);
});

const bytes = (name: string, most: number, why: string) =>
  setting(name, (text) =>
    /^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= most
      ? E.right(Number(text))
      : E.left(`must be a whole number of bytes from 1 to ${most}${why}`),
  );

/** The most bytes of a JSON body. */
export const BodyBytes = bytes('BodyBytes', 100 << 20, ', which is what ComfyUI takes');

/** The most bytes of an uploaded file. ComfyUI takes 100 MB, or more if it runs with `--max-upload-size`. */
export const InputBytes = bytes('InputBytes', 2 ** 30, '');

/** By how many seconds clocks may differ. */
export const Seconds = setting('Seconds', (text) =>
  /^\d{1,3}$/.test(text) && Number(text) <= 300
    ? E.right(Number(text))
    : E.left('must be a whole number from 0 to 300'),
);

export const LogLevel = setting('LogLevel', (text) =>
  LEVELS.includes(text) ? E.right(text) : E.left(`must be one of ${LEVELS.join(', ')}`),
);

const WELL_MADE = 'for instance from `openssl rand -base64 32`';

/** A secret for HS256: at least 32 bytes (RFC 7518, 3.2), and not monotonous. */
export const Secret = setting('Secret', (text) => {
  const secret = new TextEncoder().encode(text);
  if (secret.length < 32 || new TextEncoder().encode(text.trim()).length < 32)
    return E.left(`must be at least 32 bytes long, ${WELL_MADE}`);
  // Whoever signs tokens may have it without: each token would be refused, and nobody told why.
  if (text !== text.trim())
    return E.left('begins or ends with a space or a line break, as `echo` adds one: take it off');
  return isMonotonous(text)
    ? E.left(`must not be so easily guessed: take random bytes, ${WELL_MADE}`)
    : E.right(secret);
});

/** Whether the text has fewer than 10 different characters, or repeats its first part: easy to guess at any length. */
function isMonotonous(text: string): boolean {
  const periods = Array.from({ length: Math.floor(text.length / 2) }, (_, n) => n + 1);
  const repeats = (period: number): boolean => text.startsWith(text.slice(period));
  return new Set(text).size < MOST_DISTINCT || periods.some(repeats);
}
/** The 32 or more hexadecimal digits of a random secret hardly ever show fewer than ten of the 16. */
const MOST_DISTINCT = 10;

/** The URL of a key set: https, or this machine. Over plain http anybody on the way could exchange the keys. */
export const JwksUrl = setting('JwksUrl', (text) => {
  const url = parsed(text);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  return url !== undefined && isSafe && url.username === '' && url.password === ''
    ? E.right(url)
    : E.left('must be an https:// URL of a JSON Web Key Set, without credentials; http:// for this machine only');
});

/** A secret as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64. */
export const WebhookSecret = setting('WebhookSecret', (text) => {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const secret = Buffer.from(base64, 'base64');
  if (secret.length < 24 || secret.length > 64)
    return E.left(`must be whsec_ and 24 to 64 bytes in base64, ${SIGNED_WITH}`);
  return isMonotonous(secret.toString('latin1'))
    ? E.left(`must not be so easily guessed: take random bytes, ${SIGNED_WITH}`)
    : E.right<string, Uint8Array>(secret);
});

const SIGNED_WITH = 'for instance whsec_ and `openssl rand -base64 32`';

/** Host names, or `*.` and a domain. */
export const WebhookHosts = setting('WebhookHosts', (text) => {
  const hosts = parts(text).map((host) => host.toLowerCase());
  return hosts.every((host) => /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(host))
    ? E.right(hosts)
    : E.left('must be host names such as hooks.internal or *.svc.cluster.local, separated by commas, without ports');
});

/** Web origins, as browsers write them. */
export const Origins = setting('Origins', (text) => {
  const origins = parts(text).map(webOrigin);
  return origins.every((origin) => origin !== undefined)
    ? E.right(origins)
    : E.left('must be web origins such as https://app.example.com, separated by commas, without paths');
});

function setting<A>(name: string, parse: (text: string) => E.Either<string, A>) {
  return checked(name, (value) => (typeof value === 'string' ? parse(value) : E.left('must be text')));
}

const parts = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const parsed = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined);

const isHttp = (text: string): boolean => ['http:', 'https:'].includes(parsed(text)?.protocol ?? '');

/**
 * Whether the text is a server's URL. It may have a path, for servers behind a proxy; a query or fragment would be
 * lost.
 */
const isServer = (text: string): boolean => isHttp(text) && parsed(text)?.search === '' && parsed(text)?.hash === '';

const isLoginReadable = (text: string): boolean => {
  const { username = '', password = '' } = parsed(text) ?? {};
  return E.isRight(E.tryCatch(() => decodeURIComponent(`${username}:${password}`), String));
};
