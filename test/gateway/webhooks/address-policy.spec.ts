import type { LookupAddress } from 'node:dns';
import { guardedLookup, isPublic, objectionToUrl } from '../../../gateway/webhooks/address-policy';

const strict = { hosts: [], allowsLoopback: false };

test.each([
  'http://example.com',
  'ftp://example.com',
  'https://user:pass@example.com',
  'https://example.com/#x',
  'example.com',
  '',
  'https://127.0.0.1/x',
  'https://10.1.2.3',
  'https://169.254.169.254/latest/meta-data',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[fd00::1]/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://017700000001/',
  'http://localhost:9000',
  'https://localhost',
  'https://localhost:8443/x',
  'https://LOCALHOST./',
  'https://hooks.localhost/',
  'https://printer.local/',
  'https://metadata.google.internal/',
  'https://redis/',
  'https://router.home.arpa/',
  'https://[3fff::1]/',
])('%j may not be told', (url) => {
  expect(objectionToUrl(url, strict)).toMatch(/^must /);
});

test.each(['https://example.com/hook?x=1', 'https://8.8.8.8/', 'https://[2606:4700::1111]:8443/'])('%j may', (url) => {
  expect(objectionToUrl(url, strict)).toBeUndefined();
});

test('what is refused names why: this machine as much as any network within', () => {
  expect(objectionToUrl('https://localhost/', strict)).toBe('must not lead into a private network, as localhost does');
});

test('http only to this machine, and only where nobody else can ask', () => {
  const open = { hosts: [], allowsLoopback: true };
  for (const url of ['http://127.0.0.1:9000/x', 'http://localhost:9000', 'http://[::1]:1/', 'https://127.0.0.1/'])
    expect(objectionToUrl(url, open)).toBeUndefined();
  expect(objectionToUrl('http://10.0.0.1/', open)).toBeDefined();
  expect(objectionToUrl('http://127.0.0.1.example.com/', open)).toBeDefined();
});

test('hosts that are listed may be inside', () => {
  const listed = { hosts: ['10.0.0.5', 'hooks.internal', '*.svc.local'], allowsLoopback: false };
  for (const url of ['https://10.0.0.5/', 'https://hooks.internal/', 'https://a.b.svc.local/'])
    expect(objectionToUrl(url, listed)).toBeUndefined();
  expect(objectionToUrl('https://10.0.0.6/', listed)).toBeDefined();
});

test.each([
  ['8.8.8.8', true],
  ['172.15.255.255', true],
  ['172.16.0.1', false],
  ['172.32.0.1', true],
  ['100.64.0.1', false],
  ['0.0.0.0', false],
  ['255.255.255.255', false],
  ['224.0.0.1', false],
  ['2606:4700::1111', true],
  ['::', false],
  ['::1', false],
  ['::ffff:8.8.8.8', false],
  ['64:ff9b::7f00:1', false],
  ['2002:7f00:1::', false],
  ['2001::1', false],
  ['fe80::1', false],
  ['fc00::1', false],
  ['3fff::1', false],
  ['3fff:fff::1', false],
  ['3ffe::1', false],
  ['5f00::1', false],
  ['2001:db8::1', false],
  ['2620:4f:8000::1', false],
  ['100:0:0:1::1', false],
  ['192.175.48.1', false],
  ['ff02::1', false],
  ['example.com', false],
])('whether %s is on the internet: %s', (address, is) => {
  expect(isPublic(address)).toBe(is);
});

describe('a name is looked up, and', () => {
  const looked = (addresses: LookupAddress[], hosts: readonly string[] = [], all = false) =>
    new Promise<unknown>((resolve) => {
      const system = ((_host: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
        done(null, addresses)) as never;
      guardedLookup({ hosts, allowsLoopback: false }, system, system)('hooks.example', { all }, (error, found) =>
        resolve(error ?? found),
      );
    });
  const [inside, outside] = [
    { address: '10.0.0.1', family: 4 },
    { address: '8.8.8.8', family: 4 },
  ];

  test('what leads inside, also in part, is refused', async () => {
    expect(await looked([inside])).toBeInstanceOf(Error);
    expect(await looked([outside, inside], [], true)).toBeInstanceOf(Error);
    expect(await looked([])).toBeInstanceOf(Error);
  });

  test('what leads outside, or is listed, is taken', async () => {
    expect(await looked([outside])).toBe('8.8.8.8');
    expect(await looked([outside], [], true)).toEqual([outside]);
    expect(await looked([inside], ['hooks.example'])).toBe('10.0.0.1');
  });
});
