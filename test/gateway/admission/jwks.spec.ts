import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { exportSPKI, SignJWT } from 'jose';
import { tokenAuth } from '../../../gateway/admission/auth/auth';
import { TokenRefused } from '../../../gateway/admission/auth/token-refused';
import { KeysUnavailable } from '../../../gateway/admission/auth/jwks';
import { asking } from '../support/http/asking';
import { client, connected, refused } from '../support/sockets/client';
import { keyPair } from '../support/admission/key-pairs';
import { startKeyPublisher, type KeyPublisher } from '../support/admission/key-publisher';
import { runningGateway } from '../support/running-gateway';
import { tokenOf } from '../support/admission/tokens';

let publisher: KeyPublisher;
let now: number;
let troubles: unknown[];
beforeEach(async () => {
  now = Date.now();
  // Time is what the test says it is, for jose too, which reads the clock itself.
  jest.spyOn(Date, 'now').mockImplementation(() => now);
  troubles = [];
  publisher = await startKeyPublisher();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await publisher.close();
});

const auth = (more: { issuer?: string; audience?: string } = {}) =>
  tokenAuth(
    { jwksUrl: publisher.url, ...more },
    (error) => troubles.push(error),
    () => now,
  );
const later = (ms: number): void => void (now += ms);

test.each(['RS256', 'ES256', 'EdDSA'])('a token signed with a published %s key is its user’s', async (alg) => {
  await publisher.rotate(alg);
  expect(await auth().viewerOf(await publisher.sign({ sub: 'ada' }))).toMatchObject({ userId: 'ada', role: 'user' });
  expect(await auth().viewerOf(await publisher.sign({ role: 'service' }))).toMatchObject({ role: 'service' });
});

test('keys that come packed, though nobody asked for it, are read', async () => {
  publisher.isPacked = true;
  expect(await auth().viewerOf(await publisher.sign({ sub: 'ada' }))).toMatchObject({ userId: 'ada' });
});

test('issuer and audience must fit where they are set', async () => {
  const strict = auth({ issuer: 'app', audience: 'jobs' });
  expect(await strict.viewerOf(await publisher.sign({ sub: 'ada', iss: 'app', aud: 'jobs' }))).toBeDefined();
  await expect(strict.viewerOf(await publisher.sign({ sub: 'ada', iss: 'app', aud: 'other' }))).rejects.toThrow(
    TokenRefused,
  );
  await expect(strict.viewerOf(await publisher.sign({ sub: 'ada', iss: 'other', aud: 'jobs' }))).rejects.toThrow(
    TokenRefused,
  );
  await expect(strict.viewerOf(await publisher.sign({ sub: 'ada' }))).rejects.toThrow(TokenRefused);
});

test('no HMAC under what is public is taken, nor an algorithm that is not pinned, nor another’s key', async () => {
  const { publicKey, privateKey } = await keyPair('RS256', 'another');
  const pem = new TextEncoder().encode(await exportSPKI(publicKey));
  const signed = (alg: string, kid: string) =>
    new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg, kid }).setExpirationTime('1h').sign(privateKey);
  for (const token of [
    await tokenOf({ sub: 'ada' }, { secret: pem }),
    await tokenOf({ sub: 'ada' }, { secret: createHash('sha256').update(pem).digest() }),
    await signed('RS256', 'key-1'),
    await signed('RS256', 'key-9'),
    await publisher.sign({ sub: 'ada' }, { expires: '1 minute ago' }),
    'no.j.wt',
    '',
  ])
    await expect(auth().viewerOf(token)).rejects.toThrow(TokenRefused);
  await publisher.rotate('PS256');
  await expect(auth().viewerOf(await publisher.sign({ sub: 'ada' }))).rejects.toThrow(TokenRefused);
});

const OK = 'HTTP/1.1 200 OK\r\n';
const packed = gzipSync(' '.repeat(1 << 20));
test.each([
  ['a key set without end is read no further than 256 KiB', `${OK}\r\n`, ' '.repeat(65_536), 'more than 262144 bytes'],
  [
    'what is packed is unpacked no further',
    `${OK}Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`,
    packed,
    'larger than 262144 bytes',
  ],
  [
    '[R16] informational answers without end are cut off after 16',
    '',
    'HTTP/1.1 103 Early Hints\r\n\r\n',
    'too many informational answers',
  ],
])('%s', async (_, head, piece, trouble) => {
  const endless = createServer((connection) => {
    const more = (): void => {
      while (!connection.destroyed && connection.write(piece));
    };
    connection.on('error', () => undefined).on('drain', more);
    connection.once('data', () => {
      connection.write(head);
      more();
    });
  }).listen(0, '127.0.0.1');
  await once(endless, 'listening');
  const jwksUrl = new URL(`http://127.0.0.1:${(endless.address() as AddressInfo).port}/`);
  const it = tokenAuth({ jwksUrl }, (error) => troubles.push(error));
  await expect(it.viewerOf(await publisher.sign({ sub: 'ada' }))).rejects.toThrow(KeysUnavailable);
  expect(troubles.map(String)).toEqual([expect.stringContaining(trouble)]);
  endless.close();
});

test('keys are fetched once, and for a new one again, but not for each made-up one', async () => {
  const it = auth();
  for (let times = 0; times < 3; times += 1)
    expect(await it.viewerOf(await publisher.sign({ sub: 'ada' }))).toBeDefined();
  expect(publisher.fetches()).toBe(1);
  await publisher.rotate('ES256');
  for (let times = 0; times < 3; times += 1)
    await expect(it.viewerOf(await publisher.sign({ sub: 'ada' }, { kid: `made-up-${times}` }))).rejects.toThrow(
      TokenRefused,
    );
  expect(publisher.fetches()).toBe(1);
  later(31_000);
  expect(await it.viewerOf(await publisher.sign({ sub: 'ada' }))).toBeDefined();
  expect(publisher.fetches()).toBe(2);
});

test.each([500, 302, 404])(
  'where the keys cannot be had (%d), a token is neither good nor bad; then it is',
  async (answer) => {
    const it = auth();
    const token = await publisher.sign({ sub: 'ada' });
    publisher.answer = answer;
    await expect(it.viewerOf(token)).rejects.toThrow(KeysUnavailable);
    // What no key could make good needs none.
    await expect(it.viewerOf(await tokenOf({ sub: 'ada' }))).rejects.toThrow(TokenRefused);
    expect(await it.viewerOf(undefined)).toBeUndefined();
    await expect(it.viewerOf(token)).rejects.toThrow(KeysUnavailable);
    // Nobody is kept waiting for the same again.
    expect([publisher.fetches(), troubles.length]).toEqual([1, 1]);
    publisher.answer = undefined;
    later(5_001);
    expect(await it.viewerOf(token)).toMatchObject({ userId: 'ada' });
  },
);

test('keys that cannot be fetched again serve on for an hour', async () => {
  const it = auth();
  const sign = (kid?: string) =>
    publisher.sign({ sub: 'ada' }, { expires: '1 day', ...(kid !== undefined && { kid }) });
  const token = await sign();
  expect(await it.viewerOf(token)).toBeDefined();
  publisher.answer = 503;
  later(601_000);
  expect(await it.viewerOf(token)).toBeDefined();
  expect(troubles).toHaveLength(1);
  await expect(it.viewerOf(await sign('a-new-one'))).rejects.toThrow(KeysUnavailable);
  later(3_600_000);
  await expect(it.viewerOf(token)).rejects.toThrow(KeysUnavailable);
});

test('a published key that cannot be read spoils the tokens that name it, and no others', async () => {
  publisher.publish('broken', { kty: 'RSA', alg: 'RS256', n: 'AQAB', e: 'A' });
  publisher.publish('no-point', { kty: 'EC', alg: 'ES256', crv: 'P-256', x: 'AAAA', y: 'AAAA' });
  const it = auth();
  const token = await publisher.sign({ sub: 'ada' }, { expires: '1 day' });
  const signed = async (alg: string, kid: string) => {
    const { privateKey } = await keyPair(alg, 'another');
    return new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg, kid }).setExpirationTime('1 day').sign(privateKey);
  };
  const spoiled = [await signed('RS256', 'broken'), await signed('ES256', 'no-point')];
  // For longer than old keys serve on: a stranger who sends such tokens keeps nobody from fetching them anew.
  for (let minute = 0; minute < 70; minute++) {
    later(60_000);
    for (const each of spoiled) await expect(it.viewerOf(each)).rejects.toThrow(TokenRefused);
    expect(await it.viewerOf(token)).toMatchObject({ userId: 'ada' });
  }
  expect(publisher.fetches()).toBeGreaterThan(5);
  expect(troubles.length).toBeLessThanOrEqual(publisher.fetches() + 1);
});

test('the gateway says so over HTTP and sockets, and serves what needs no token', async () => {
  jest.restoreAllMocks();
  publisher.answer = 500;
  const gateway = await runningGateway({ auth: auth() });
  const ask = asking(gateway);
  const token = await publisher.sign({ sub: 'ada' });
  for (const path of ['/jobs', '/jobs/x', '/jobs/6b3d5a2e-0d6c-4c55-9a55-8d0e3c1f2a10/events'])
    expect(await ask('GET', path, { token })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      json: { type: 'urn:comfyui-jobstream:problem:keys-unavailable' },
    });
  await expect(refused(client(gateway, token))).rejects.toMatchObject({ data: { code: 'keys-unavailable' } });
  expect((await ask('GET', '/jobs', { token: await tokenOf({ sub: 'ada' }) })).status).toBe(401);
  expect((await ask('GET', '/jobs')).status).toBe(401);
  expect((await ask('GET', '/openapi.json')).status).toBe(200);
  expect((await ask('GET', '/readyz', { token })).status).toBe(200);
  publisher.answer = undefined;
  now += 5_001;
  expect((await ask('GET', '/jobs', { token })).status).toBe(200);
  (await connected(gateway, token)).disconnect();
  await gateway.close();
});
