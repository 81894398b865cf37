import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { bearerToken, maySee, openAuth, tokenAuth } from '../../../gateway/admission/auth/auth';
import { TokenRefused } from '../../../gateway/admission/auth/token-refused';
import { SECRET, testAuth, tokenOf } from '../support/admission/tokens';

const other = new TextEncoder().encode('another secret, 32 bytes and a bit more');

/** All that jest can put in the place of, but dates. */
const IN_EARNEST = [
  ...(['nextTick', 'hrtime', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const),
  ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const),
];

/** The clock stands still meanwhile. */
async function inOneMoment(work: () => Promise<void>): Promise<void> {
  jest.useFakeTimers({ doNotFake: IN_EARNEST });
  await work().finally(() => jest.useRealTimers());
}

test('a user is who `sub` says', () =>
  inOneMoment(async () => {
    const viewer = await testAuth.viewerOf(await tokenOf({ sub: 'ada' }));
    expect(viewer).toEqual({ userId: 'ada', role: 'user', expiresAt: expect.any(Number) as number });
    expect(Math.abs(viewer!.expiresAt! - Date.now() - 3_600_000)).toBeLessThanOrEqual(1_000);
  }));

test('a service needs no name', async () => {
  expect(await testAuth.viewerOf(await tokenOf({ role: 'service' }))).toMatchObject({ role: 'service' });
  expect(await testAuth.viewerOf(await tokenOf({ role: 'service', sub: 'app' }))).toMatchObject({
    userId: 'app',
    role: 'service',
  });
});

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

test('no token is nobody’s', async () => {
  expect(await testAuth.viewerOf(undefined)).toBeUndefined();
});

test.each<[string, () => Promise<string>, RegExp]>([
  ['an empty one', () => Promise.resolve(''), /no signed JWT/],
  ['no JWT', () => Promise.resolve('no.j.wt'), /no signed JWT/],
  ['an expired one', () => tokenOf({ sub: 'ada' }, { expires: '1 minute ago' }), /has expired/],
  ['one signed with another secret', () => tokenOf({ sub: 'ada' }, { secret: other }), /signature is wrong/],
  ['an expired one of another secret', () => tokenOf({ sub: 'ada', exp: 1 }, { secret: other }), /signature is wrong/],
  ['one of another algorithm', () => tokenOf({ sub: 'ada' }, { alg: 'HS512' }), /algorithm/],
  ['an unsigned one', () => Promise.resolve(new UnsecuredJWT({ sub: 'ada' }).encode()), /algorithm|no signed JWT/],
  [
    'one signed with a key pair',
    async () =>
      new SignJWT({ sub: 'ada' })
        .setProtectedHeader({ alg: 'RS256' })
        .sign((await generateKeyPair('RS256')).privateKey),
    /algorithm/,
  ],
  ['one without `sub`', () => tokenOf({}), /sub names no user/],
  ['one with an empty `sub`', () => tokenOf({ sub: '' }), /sub names no user/],
  ...[null, true, 4.5, 2 ** 60, Number.NaN, ['ada'], { name: 'ada' }].map(
    (sub): [string, () => Promise<string>, RegExp] => [
      `one whose \`sub\` is ${JSON.stringify(sub)}`,
      () => tokenOf({ sub: sub as never }),
      /sub names no user/,
    ],
  ),
  ['a service’s with such a `sub`', () => tokenOf({ role: 'service', sub: {} as never }), /sub names no user/],
  ['one with a `sub` that no job can have', () => tokenOf({ sub: 'a'.repeat(201) }), /200 characters/],
  ['one with a line break in it', () => tokenOf({ sub: 'a\nb' }), /control characters/],
  ['one with half a pair of characters', () => tokenOf({ sub: '\ud800' }), /control characters/],
  ['one of an unknown role without `sub`', () => tokenOf({ role: 'admin' }), /sub names no user/],
  ['one not valid yet', () => tokenOf({ sub: 'ada', nbf: inSeconds(600) }), /not valid yet/],
  ['one without an end', () => new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'HS256' }).sign(SECRET), /no exp/],
  ['one that is good for years', () => tokenOf({ sub: 'ada' }, { expires: '2 years' }), /more than 720 hours/],
])('nobody: %s, and it says why', async (_what, token, reason) => {
  await expect(token().then((it) => testAuth.viewerOf(it))).rejects.toThrow(TokenRefused);
  await expect(token().then((it) => testAuth.viewerOf(it))).rejects.toThrow(reason);
});

test('a `sub` that is a number is the user of its digits', async () => {
  expect(await testAuth.viewerOf(await tokenOf({ sub: 42 as never }))).toMatchObject({ userId: '42', role: 'user' });
  expect(await testAuth.viewerOf(await tokenOf({ sub: 42 as never, role: 'service' }))).toMatchObject({ userId: '42' });
});

test.each([
  ['valid in two seconds', { nbf: () => inSeconds(2) }, {}],
  ['issued in two seconds', { iat: () => inSeconds(2) }, {}],
  ['expired a second ago', {}, { expires: () => inSeconds(-1) }],
])('clocks differ by seconds: a token %s is taken', (_what, claims, { expires }: { expires?: () => number }) =>
  inOneMoment(async () => {
    const given = Object.fromEntries(Object.entries(claims).map(([name, at]) => [name, at()]));
    const token = await tokenOf({ sub: 'ada', ...given }, expires === undefined ? {} : { expires: expires() });
    expect(await testAuth.viewerOf(token)).toMatchObject({ userId: 'ada' });
    await expect(
      tokenAuth({ secret: SECRET, toleranceS: 0 })
        .viewerOf(token)
        .then((viewer) => ('iat' in claims ? Promise.reject(new TokenRefused('x')) : viewer)),
    ).rejects.toThrow(TokenRefused);
  }),
);

test('how long a token may be good is a setting', async () => {
  const strict = tokenAuth({ secret: SECRET, maxHours: 8 });
  expect(await strict.viewerOf(await tokenOf({ sub: 'ada' }, { expires: '8h' }))).toBeDefined();
  await expect(strict.viewerOf(await tokenOf({ sub: 'ada' }, { expires: '9h' }))).rejects.toThrow(/more than 8 hours/);
  const lax = tokenAuth({ secret: SECRET, maxHours: 0 });
  expect(await lax.viewerOf(await tokenOf({ sub: 'ada' }, { expires: '2 years' }))).toBeDefined();
});

test('issuer and audience must fit where they are set', async () => {
  const auth = tokenAuth({ secret: SECRET, issuer: 'app', audience: 'jobs' });
  expect(await auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'app', aud: 'jobs' }))).toMatchObject({ userId: 'ada' });
  await expect(auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'other', aud: 'jobs' }))).rejects.toThrow(
    /issuer|audience|claim/,
  );
  await expect(auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'app', aud: 'other' }))).rejects.toThrow(
    /issuer|audience|claim/,
  );
  await expect(auth.viewerOf(await tokenOf({ sub: 'ada' }))).rejects.toThrow(/issuer|audience|claim/);
});

test('without tokens, everybody is the service', async () => {
  expect(openAuth.required).toBe(false);
  expect(await openAuth.viewerOf(undefined)).toMatchObject({ role: 'service' });
});

test('users see their own jobs, services all', () => {
  expect(maySee({ userId: 'ada', role: 'user' }, { userId: 'ada' })).toBe(true);
  expect(maySee({ userId: 'ada', role: 'user' }, { userId: 'bob' })).toBe(false);
  expect(maySee({ userId: 'ada', role: 'service' }, { userId: 'bob' })).toBe(true);
});

test.each([
  ['Bearer abc', 'abc'],
  ['bearer  abc', 'abc'],
  ['Basic abc', undefined],
  ['Bearer', undefined],
  ['Bearer a b', undefined],
  [undefined, undefined],
])('Authorization: %s', (header, token) => {
  expect(bearerToken(header)).toBe(token);
});
