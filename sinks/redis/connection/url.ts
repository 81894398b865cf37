/** The URL of one Redis, or of some nodes of a cluster. */
export interface RedisUrl {
  /** Each with the credentials of the first. */
  readonly urls: readonly [first: string, ...others: string[]];
  readonly isCluster: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly isTls: boolean;
}

/** `REDIS_URL` cannot be parsed. The message does not quote it, as it may hold a password. */
export class InvalidRedisUrl extends Error {
  override readonly name = 'InvalidRedisUrl';
  constructor() {
    super(
      'not a URL of the form redis://[user:password@]host[:port][/db] (or rediss://), special characters %-encoded; ' +
        'of a cluster, several of them with commas between, or one with ?cluster=1, and no /db',
    );
  }
}

/**
 * Parses `redis://host:6379`, and for a cluster `redis://host1:6379,redis://host2:6379` (any of its nodes; ioredis
 * finds the rest) or `redis://host:6379?cluster=1`. Throws `InvalidRedisUrl`.
 */
export function redisUrl(text: string): RedisUrl {
  // A setting that is unset, where the application has no types to tell it so.
  if (typeof (text as unknown) !== 'string') throw new InvalidRedisUrl();
  // A password may hold a comma, but not one before a scheme.
  const parsed = text.split(/,\s*(?=rediss?:\/\/)/).map(parsedUrl);
  const [first, ...others] = parsed;
  if (first === undefined) throw new InvalidRedisUrl();
  const isCluster = others.length > 0 || first.searchParams.get('cluster') === '1';
  if (isCluster && parsed.some(({ pathname, protocol }) => !/^\/?0?$/.test(pathname) || protocol !== first.protocol)) {
    throw new InvalidRedisUrl();
  }
  return {
    urls: isCluster ? [nodeUrl(first, first), ...others.map((other) => nodeUrl(first, other))] : [text],
    isCluster,
    ...(first.username !== '' && { username: decodeURIComponent(first.username) }),
    ...(first.password !== '' && { password: decodeURIComponent(first.password) }),
    isTls: first.protocol === 'rediss:',
  };
}

/** The URL of a node that the cluster calls `host:port`, with the scheme and credentials of the others. */
export function urlOfNode({ urls: [first] }: RedisUrl, node: string): string {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(node) ?? [];
  const url = new URL(first);
  return nodeUrl(url, new URL(`redis://${host.includes(':') ? `[${host}]` : host}:${port}`));
}

function nodeUrl({ protocol, username, password }: URL, { hostname, port }: URL): string {
  const credentials = username === '' && password === '' ? '' : `${username}:${password}@`;
  return `${protocol}//${credentials}${hostname}:${port === '' ? '6379' : port}`;
}

function parsedUrl(text: string): URL {
  // Node's own error would quote the URL with its password. An unescaped `/`, `?` or `#` in a password ends the host
  // part early, so that a part of the login counts as the host: refused.
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const isRedis = parsed !== undefined && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== '';
  if (!isRedis || parsed.hash !== '' || !/^\/?\d*$/.test(parsed.pathname)) throw new InvalidRedisUrl();
  return parsed;
}
