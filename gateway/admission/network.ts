import { isIPv6 } from 'node:net';

/**
 * The network that one subscriber has: an IPv4 address itself, or the first 64 bits of an IPv6 address. Some proxies
 * write the client's port behind the address, which is another for each connection.
 */
export function networkOf(address: string): string {
  const [bare = ''] = address.replace(/^\[|\](?::\d+)?$|(?<=^[\d.]+):\d+$/g, '').split('%');
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const gap = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: gap }, () => 0), ...after];
  const isMapped = groups.slice(0, 6).join() === '0,0,0,0,0,65535';
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 255])
      .join('.');
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** A dotted IPv4 tail stands for two groups. */
const groupsOf = (text: string): readonly number[] =>
  text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? pairsOf(group) : [parseInt(group, 16)]));

const pairsOf = (dotted: string): readonly number[] => {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
};
