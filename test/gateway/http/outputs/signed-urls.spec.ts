import { randomUUID } from 'node:crypto';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { urlSigner } from '../../../../gateway/http/outputs/signed-urls';
import { startRedis } from '../../../support/redis/redis-server';
import { steps } from '../../../support/comfyui/workflows';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { SECRET, testAuth, tokenOf } from '../../support/admission/tokens';
import { PATIENCE_MS } from '../../../support/until';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
let promptId: string;
let path: string;
let ada: string;

const FRIEND = 'https://app.example.com';
const logged: string[] = [];

beforeAll(async () => {
  gateway = await runningGateway({
    auth: testAuth,
    origins: [FRIEND],
    urlKeys: { secret: SECRET },
    heard: (line) => logged.push(line),
  });
  ask = asking(gateway);
  ada = await tokenOf({ sub: 'ada' });
  const job = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  promptId = job.promptId;
  await settled(gateway.pipeline, promptId);
  path = `/jobs/${promptId}/outputs/0`;
});
afterAll(() => gateway.close());

const signed = async (token = ada): Promise<string> => {
  const { status, json } = await ask('POST', `${path}/url`, { token });
  expect(status).toBe(200);
  return String(json['url']);
};
const minutes = (n: number) => n * 60_000;

test('whoever may see the job gets a URL that needs no token, for some minutes', async () => {
  const before = Date.now();
  const { json } = await ask('POST', `${path}/url`, { token: ada });
  const expiresAt = Number(json['expiresAt']);
  expect(expiresAt - before).toBeGreaterThanOrEqual(minutes(5));
  expect(expiresAt - Date.now()).toBeLessThanOrEqual(minutes(10));
  const url = String(json['url']);
  expect(url.startsWith(`${path}?signature=`)).toBe(true);
  expect(await ask('GET', url)).toMatchObject({ status: 200, headers: { 'content-type': 'image/png' } });
  expect(await ask('GET', url, { headers: { Range: 'bytes=0-7' } })).toMatchObject({ status: 206 });
  expect((await ask('HEAD', url)).status).toBe(200);
  expect((await ask('GET', await signed(await tokenOf({ role: 'service' })))).status).toBe(200);
});

test('the same for some minutes, so that a browser need not fetch twice', async () => {
  let nowMs = 1_000 * minutes(5) + 1;
  const signer = urlSigner({ secret: SECRET }, () => nowMs);
  const output = { userId: 'ada', promptId, n: 0 };
  const first = await signer.sign(output);
  nowMs += minutes(4);
  expect(await signer.sign(output)).toEqual(first);
  nowMs += minutes(1);
  expect(await signer.sign(output)).not.toEqual(first);
});

test('[R14] a signature that is not good answers as a job that is not there', async () => {
  const url = await signed();
  const [, signature = ''] = url.split('signature=');
  const missing = await ask('GET', `/jobs/${randomUUID()}/outputs/0`, { token: ada });
  expect(missing.status).toBe(404);
  const [head, claims, mac = ''] = signature.split('.');
  const expired = await urlSigner({ secret: SECRET }, () => Date.now() - minutes(11)).sign({
    userId: 'ada',
    promptId,
    n: 0,
  });
  const bobs = await urlSigner({ secret: SECRET }).sign({ userId: 'bob', promptId, n: 0 });
  const foreign = await urlSigner({ secret: new Uint8Array(32) }).sign({ userId: 'ada', promptId, n: 0 });
  const bad = [
    `${path}?signature=`,
    `${path}?signature=x`,
    `${path}?signature=${signature}&signature=${signature}`,
    `${path}?signature=${[head, claims, Buffer.from(mac).reverse().toString()].join('.')}`,
    `${path}?signature=${expired.signature}`,
    `${path}?signature=${bobs.signature}`,
    `${path}?signature=${foreign.signature}`,
    // A token is no signature, though it is the same user's and the same secret's.
    `${path}?signature=${ada}`,
    `/jobs/${promptId}/outputs/1?signature=${signature}`,
    `/jobs/${randomUUID()}/outputs/0?signature=${signature}`,
  ];
  for (const each of bad) {
    const { status, text } = await ask('GET', each);
    expect({ each, status, text }).toEqual({ each, status: 404, text: missing.text });
  }
});

test('it opens that output and nothing else', async () => {
  const [, signature] = (await signed()).split('?');
  for (const [method, other] of [
    ['GET', `/jobs/${promptId}`],
    ['GET', '/jobs'],
    ['GET', `/jobs/${promptId}/events`],
    ['POST', `/jobs/${promptId}/cancel`],
    ['POST', `${path}/url`],
  ] as const)
    expect((await ask(method, `${other}?${signature}`)).status).toBe(401);
  // A signature is no token.
  const token = String(signature).replace('signature=', '');
  expect((await ask('GET', `/jobs/${promptId}`, { token })).status).toBe(401);
});

test('[R14] nobody else gets one', async () => {
  const bob = await tokenOf({ sub: 'bob' });
  const missing = await ask('POST', `/jobs/${randomUUID()}/outputs/0/url`, { token: bob });
  expect(await ask('POST', `${path}/url`, { token: bob })).toMatchObject({ status: 404, text: missing.text });
  expect((await ask('POST', `${path}/url`)).status).toBe(401);
  expect((await ask('POST', `/jobs/${promptId}/outputs/7/url`, { token: ada })).status).toBe(404);
});

test('no log has a signature', async () => {
  const url = await signed();
  await ask('GET', url);
  await ask('GET', `${url}x`);
  const [, signature = ''] = url.split('signature=');
  expect(logged.some((line) => line.includes(path))).toBe(true);
  expect(logged.filter((line) => line.includes(signature.split('.')[2]!))).toEqual([]);
});

test.each<[page: string, headers: Record<string, string>, policy: string]>([
  ['an allowed page’s image', { Referer: `${FRIEND}/gallery` }, 'cross-origin'],
  ['an allowed page’s image with crossorigin', { Origin: FRIEND }, 'cross-origin'],
  ['a page that hides where it is, with a signed URL', {}, 'cross-origin'],
  ['a foreign page’s image', { Referer: 'https://evil.example/' }, 'same-origin'],
  ['the dashboard’s own', { Referer: 'http://127.0.0.1:1/' }, 'same-origin'],
])('%s', async (_page, headers, policy) => {
  expect((await ask('GET', await signed(), { headers })).headers['cross-origin-resource-policy']).toBe(policy);
});

test('without a signature, a page that hides where it is shows nothing', async () => {
  const { headers } = await ask('GET', path, { token: ada });
  expect(headers['cross-origin-resource-policy']).toBe('same-origin');
});

test('instances on one store take each other’s signatures, where no secret is theirs', async () => {
  const redis = await startRedis();
  const report = () => undefined;
  const stores = [
    redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
    redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
  ] as const;
  const [one, other] = stores.map((names) => urlSigner({ names }));
  const output = { userId: 'ada', promptId: 'a', n: 3 };
  const { signature } = await one!.sign(output);
  expect(await other!.viewerOf(signature, output)).toMatchObject({ userId: 'ada', role: 'user' });
  expect(await other!.viewerOf(signature, { ...output, n: 4 })).toBeUndefined();
  await Promise.all(stores.map((store) => new Promise<void>((done) => store.close().subscribe({ complete: done }))));
  await redis.stop();
});
