import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isLoopback } from '../admission/loopback';
import { publicLookup, type LookupAll } from './public-lookup';

/** Where webhooks may go. */
export interface WebhookPolicy {
  /** Host names, or `*.` and a domain, that may be inside the network: their addresses are not checked. */
  readonly hosts: readonly string[];
  /** Whether plain http to this machine is allowed: only if just this machine can submit jobs. */
  readonly allowsLoopback: boolean;
}

/**
 * Why a URL is refused, as the predicate of a sentence about it; `undefined` if it is fine. Does not look up its host.
 */
export function objectionToUrl(text: string, policy: WebhookPolicy): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL';
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '') return 'must be without user and password: the signature tells who sends it';
  if (hash !== '') return 'must be without a fragment';
  const isHere = policy.allowsLoopback && isLoopback(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isHere)) return 'must be an https URL';
  if (isTrusted(hostname, policy)) return undefined;
  const address = bare(hostname);
  if (isIP(address) === 0 && isNameWithin(hostname)) return `must not lead into a private network, as ${hostname} does`;
  return isIP(address) > 0 && !isPublic(address) ? 'must not lead into a private network' : undefined;
}

/**
 * A `lookup` for sockets that fails if a name has a private address, so that no name leads into the gateway's network.
 * Hosts that may be inside are looked up as the system does, with its `/etc/hosts`; all others in the DNS alone.
 */
export const guardedLookup =
  (policy: WebhookPolicy, inDns: LookupAll = publicLookup(), bySystem: LookupAll = systemLookup): LookupFunction =>
  (hostname, options, done) => {
    const mayBeInside = isTrusted(hostname, policy);
    const lookup = mayBeInside ? bySystem : inDns;
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) {
        done(error, '', 0);
        return;
      }
      const [first] = addresses;
      const isFine = mayBeInside || addresses.every(({ address }) => isPublic(address));
      if (!isFine || first === undefined) done(new Error('the host leads into a private network'), '', 0);
      else if (options.all === true) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };

const isTrusted = (hostname: string, { hosts, allowsLoopback }: WebhookPolicy): boolean =>
  (allowsLoopback && isLoopback(hostname)) ||
  hosts.some((host) => (host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : host === hostname));

/**
 * Whether no public DNS has the name: this machine's, a local network's, or one without a dot (RFC 6761, 6762, 8375,
 * 9476).
 */
const isNameWithin = (hostname: string): boolean => {
  const name = hostname.replace(/\.$/, '');
  return !name.includes('.') || /\.(?:localhost|local|internal|home\.arpa|onion|invalid|test|alt)$/.test(name);
};

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/** IANA's special-purpose addresses, which are not hosts on the internet. */
const special = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, prefix, 'ipv4');
// 2001:: (Teredo) and 2002:: (6to4) tunnel to any IPv4 address; 2001:db8 and 3fff are for documentation, 3ffe was
// returned.
for (const [network, prefix] of [
  ['2001::', 23],
  ['2002::', 16],
  ['2001:db8::', 32],
  ['2620:4f:8000::', 48],
  ['3ffe::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(network, prefix, 'ipv6');
/** All global unicast addresses of IPv6; the others are local, mapped or unassigned. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

/** Whether an address is of a host on the internet. */
export const isPublic = (address: string): boolean =>
  isIP(address) === 4
    ? !special.check(address, 'ipv4')
    : isIP(address) === 6 && global.check(address, 'ipv6') && !special.check(address, 'ipv6');
