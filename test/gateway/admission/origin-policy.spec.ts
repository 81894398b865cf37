import { originPolicy } from '../../../gateway/admission/origin-policy';

const open = originPolicy(['https://app.example.com'], false);
const guarded = originPolicy(['https://app.example.com'], true);

test.each(['localhost', 'localhost:8787', 'LOCALHOST:1', '127.0.0.1:8787', '127.9.9.9', '[::1]:8787'])(
  'without tokens, Host %s is served',
  (host) => {
    expect(open.objectionTo({ host })).toBeUndefined();
  },
);

test.each([
  'evil.example:8787',
  '127.0.0.1.evil.example',
  'localhost.evil.example:8787',
  '192.168.0.2:8787',
  '',
  undefined,
])('without tokens, Host %s is refused: a rebound DNS name', (host) => {
  expect(open.objectionTo(host === undefined ? {} : { host })).toBe('host');
});

test('with tokens, any Host is served', () => {
  expect(guarded.objectionTo({ host: 'jobs.example.com' })).toBeUndefined();
});

test.each([
  ['its own', 'http://127.0.0.1:8787', undefined],
  ['its own, behind TLS', 'https://127.0.0.1:8787', undefined],
  ['an allowed one', 'https://app.example.com', undefined],
  ['another port of this machine', 'http://127.0.0.1:3000', 'origin'],
  ['an allowed host with another scheme', 'http://app.example.com', 'origin'],
  ['a longer name', 'https://app.example.com.evil.example', 'origin'],
  ['a sandboxed page', 'null', 'origin'],
  ['no URL', 'nonsense', 'origin'],
])('Origin: %s', (_what, origin, objection) => {
  expect(open.objectionTo({ host: '127.0.0.1:8787', origin })).toBe(objection);
});

test.each([
  ['https://jobs.example.com', 'jobs.example.com:443', undefined],
  ['https://jobs.example.com:443', 'JOBS.example.com', undefined],
  ['http://jobs.example.com', 'jobs.example.com:80', undefined],
  ['http://jobs.example.com:443', 'jobs.example.com:443', undefined],
  ['https://[::1]', '[::1]:443', undefined],
  ['https://jobs.example.com', 'jobs.example.com:4430', 'origin'],
  ['https://jobs.example.com:8443', 'jobs.example.com:443', 'origin'],
  ['https://jobs.example.com.evil.example', 'jobs.example.com:443', 'origin'],
])('a port that goes without saying makes no other origin: %s at Host %s', (origin, host, objection) => {
  expect(guarded.objectionTo({ host, origin })).toBe(objection);
});

test.each([
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'X-Real-IP',
  'CF-Connecting-IP',
  'Via',
])('without tokens nobody comes through a proxy, who would be taken for this machine’s owner: %s', (name) => {
  const headers = { host: 'localhost:8787', [name.toLowerCase()]: '203.0.113.7' };
  expect(open.objectionTo(headers)).toBe('proxy');
  expect(guarded.objectionTo(headers)).toBeUndefined();
});
