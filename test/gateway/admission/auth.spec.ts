import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { bearerToken, maySee, openAuth, tokenAuth } from '../../../gateway/admission/auth';
import { SECRET, testAuth, tokenOf } from '../support/tokens';

const other = new TextEncoder().encode('another secret, 32 bytes and a bit more');

test('a user is who `sub` says', async () => {
  const viewer = await testAuth.viewerOf(await tokenOf({ sub: 'ada' }));
  expect(viewer).toEqual({ userId: 'ada', role: 'user', expiresAt: expect.any(Number) as number });
  expect(Math.abs(viewer!.expiresAt! - Date.now() - 3_600_000)).toBeLessThan(5000);
});

test('a service needs no name', async () => {
  expect(await testAuth.viewerOf(await tokenOf({ role: 'service' }))).toMatchObject({ role: 'service' });
  expect(await testAuth.viewerOf(await tokenOf({ role: 'service', sub: 'app' }))).toMatchObject({
    userId: 'app',
    role: 'service',
  });
});

test.each<[string, () => Promise<string | undefined>]>([
  ['none', () => Promise.resolve(undefined)],
  ['an empty one', () => Promise.resolve('')],
  ['no JWT', () => Promise.resolve('no.j.wt')],
  ['an expired one', () => tokenOf({ sub: 'ada' }, { expires: '1 minute ago' })],
  ['one signed with another secret', () => tokenOf({ sub: 'ada' }, { secret: other })],
  ['one of another algorithm', () => tokenOf({ sub: 'ada' }, { alg: 'HS512' })],
  ['an unsigned one', () => Promise.resolve(new UnsecuredJWT({ sub: 'ada' }).encode())],
  [
    'one signed with a key pair',
    async () =>
      new SignJWT({ sub: 'ada' })
        .setProtectedHeader({ alg: 'RS256' })
        .sign((await generateKeyPair('RS256')).privateKey),
  ],
  ['one without `sub`', () => tokenOf({})],
  ['one with an empty `sub`', () => tokenOf({ sub: '' })],
  ['one of an unknown role without `sub`', () => tokenOf({ role: 'admin' })],
  ['one not valid yet', () => tokenOf({ sub: 'ada', nbf: Math.floor(Date.now() / 1000) + 600 })],
])('nobody: %s', async (_what, token) => {
  expect(await testAuth.viewerOf(await token())).toBeUndefined();
});

test('issuer and audience must fit where they are set', async () => {
  const auth = tokenAuth({ secret: SECRET, issuer: 'app', audience: 'jobs' });
  expect(await auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'app', aud: 'jobs' }))).toMatchObject({ userId: 'ada' });
  expect(await auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'other', aud: 'jobs' }))).toBeUndefined();
  expect(await auth.viewerOf(await tokenOf({ sub: 'ada', iss: 'app', aud: 'other' }))).toBeUndefined();
  expect(await auth.viewerOf(await tokenOf({ sub: 'ada' }))).toBeUndefined();
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
