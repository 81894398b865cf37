import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import { canary, leaks, lookThrough, watchFor } from '../../support/jest/canary';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { nodeError, outOfMemory, rejected, steps } from '../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { endOfService, startService, type Service } from '../../support/programs/service';
import { asking, type Answer } from '../support/http/asking';
import { client, connected, heard, join as joinJob, statesOf } from '../support/sockets/client';
import { eventually, until } from '../../support/until';
import { startReceiver, type Receiver } from '../support/webhooks/receiver';

const password = canary('redis-password');
const jwtSecret = canary('jwt-secret');
const hookToken = canary('hook-url-token');
/** The hook's token, also where LMDB wrote the next value over its end: `-h` is the token's alone. */
const hookTokens = /canary0f7e(?:-h[\w-]*|-?(?![\w-]))/g;
const login = `operator:${canary('comfy-password')}`;
const headerSecret = canary('comfy-header');
const webhookSecret = `whsec_${Buffer.from(canary('webhook-secret')).toString('base64')}`;
// As they travel, too.
watchFor(webhookSecret.slice('whsec_'.length));
watchFor(Buffer.from(login).toString('base64'));

const tokenFor = async (claims: Record<string, unknown>, secret = jwtSecret): Promise<string> => {
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  watchFor(token.split('.')[2]!);
  return token;
};

let comfies: readonly ComfyUIStandIn[];
let receiver: Receiver;
let directory: string;
let service: Service | undefined;
beforeEach(async () => {
  comfies = await Promise.all(['0.33.0', '0.33.0'].map(() => startComfyUI({ version: '0.33.0', timeScale: 0.2 })));
  receiver = await startReceiver();
  directory = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterEach(async () => {
  await service?.kill();
  service = undefined;
  await Promise.all([...comfies.map((comfy) => comfy.stop()), receiver.close()]);
  await rm(directory, { recursive: true });
});

/** Everything that is secret, wherever one can be set; all is logged. */
async function settings(more: Record<string, string>): Promise<Record<string, string>> {
  const servers = join(directory, 'servers.json');
  const [first, second] = comfies;
  const withLogin = first!.url.replace('http://', `http://${login}@`);
  const withHeader = { url: second!.url, headers: { Authorization: `Bearer ${headerSecret}`, 'X-Key': headerSecret } };
  await writeFile(servers, JSON.stringify([{ url: withLogin }, withHeader]));
  return {
    COMFYUI_URL: servers,
    JWT_SECRET: jwtSecret,
    WEBHOOK_SECRET: webhookSecret,
    WEBHOOK_HOSTS: '127.0.0.1',
    LOG_LEVEL: 'trace',
    ...more,
  };
}

/** Works with all that can go right and wrong. What is answered is looked through by the helpers that ask. */
async function useAll(service: Service): Promise<void> {
  const { url } = service;
  const ask = asking({ url });
  const [ada, servant] = [await tokenFor({ sub: 'ada' }), await tokenFor({ role: 'service' })];
  const forged = await tokenFor({ sub: 'ada' }, canary('another-secret'));
  const socket = await connected({ url }, ada);
  statesOf(socket);
  const submit = (workflow: object, more = {}): Promise<Answer> =>
    ask('POST', '/jobs', {
      token: ada,
      body: { workflow, type: 'image_generation', userId: 'ada', ...more },
      headers: { 'Idempotency-Key': `${canary('key')}-${Math.random()}` },
    });
  const webhook = { url: `${receiver.url.replace('http:', 'https:')}?token=${hookToken}` };
  const posted = [
    await submit(steps(), { webhook }),
    await submit(nodeError(), { webhook }),
    await submit(outOfMemory(), { server: 'server-2' }),
    await submit(rejected()),
    await submit(steps(), { webhook: { url: `http://${login}@127.0.0.1/${hookToken}` } }),
    await submit(steps(), { server: `http://${login}@127.0.0.1:1` }),
  ];
  const ids = posted.map(({ json }) => json['promptId']).filter((id) => typeof id === 'string');
  expect(ids.length).toBeGreaterThanOrEqual(4);
  for (const id of ids) lookThrough('a join', JSON.stringify(await joinJob(socket, id)));
  for (const id of ids.slice(0, 3)) {
    let job: Answer | undefined;
    await eventually(async () => {
      job = await ask('GET', `/jobs/${id}`, { token: ada });
      expect(['completed', 'failed']).toContain(job.json['status']);
    });
    await ask('GET', `/jobs/${id}/events`, { token: ada });
    await ask('GET', `/jobs/${id}/outputs/0`, { token: servant });
  }
  const reported = await ask('POST', '/jobs', { token: ada, body: { type: 'lora_training', reported: {} } });
  const { url: where, token } = reported.json['report'] as { readonly url: string; readonly token: string };
  // The one answer that tells it is behind us.
  watchFor(token.split('.')[2]!);
  await ask('POST', where, { token, body: { count: 1, value: 1, max: 2, message: `key=${canary('reported-key')}` } });
  await ask('POST', where, { token, body: { count: 2, nonsense: canary('reported-field') } });
  await ask('POST', where, { token: `${token}x`, body: { count: 3 } });
  await ask('POST', where, { token, body: { count: 4, failure: { message: `Bearer ${canary('reported-bearer')}` } } });
  for (const token of [forged, canary('no-jwt'), undefined]) {
    await ask('GET', '/jobs', { ...(token !== undefined && { token }) });
    const stranger = client({ url }, token);
    const [error] = await heard(stranger, 'connect_error');
    lookThrough('a refusal', String(error) + JSON.stringify(error));
  }
  for (const path of ['/jobs', '/readyz', '/metrics', '/openapi.json', '/asyncapi.json', `/x`, `/jobs/%E0%A4%A`])
    await ask('GET', `${path}?token=${canary('query')}`, { token: servant });
  await ask('POST', '/jobs', { token: ada, body: `{"workflow": "${canary('body')}` });

  // Whoever stands before ComfyUI may tell what he was told.
  const [first, second] = comfies;
  const told = `<html>401 bad login ${login}, Authorization: Bearer ${headerSecret}</html>`;
  const late: Promise<Answer>[] = [];
  const isReported = (what: string) => until(() => service.output().includes(what));
  for (const httpStatus of [401, 502]) {
    first!.faults.status = second!.faults.status = { httpStatus, body: told };
    late.push(submit(steps()));
    await isReported(`status ${httpStatus}`);
    await ask('GET', '/readyz', { token: servant });
  }
  first!.faults.status = second!.faults.status = undefined;
  await Promise.all(comfies.map((comfy) => comfy.kill()));
  late.push(submit(steps()));
  await isReported('ECONNREFUSED');
  await Promise.all(comfies.map((comfy) => comfy.start()));
  await Promise.all(late);
  socket.disconnect();
}

/** All that a Redis holds, keys included. What is still to be told to a webhook must be kept, and nowhere else. */
async function lookThroughRedis(redis: RedisServer): Promise<number> {
  const connection = new Redis({ host: '127.0.0.1', port: redis.port, password });
  const keys = await connection.keys('*');
  for (const key of keys) {
    const type = await connection.type(key);
    const value =
      type === 'string'
        ? await connection.get(key)
        : type === 'hash'
          ? await connection.hgetall(key)
          : type === 'zset'
            ? await connection.zrange(key, '0', '-1')
            : type === 'set'
              ? await connection.smembers(key)
              : type;
    const text = JSON.stringify([key, value]);
    lookThrough(`Redis, ${key}`, key.startsWith('jobstream:{hooks}') ? text.replaceAll(hookToken, '') : text);
  }
  connection.disconnect();
  return keys.length;
}

test('on Redis: no secret is in a log, an answer, a state or anything else that is kept, whatever goes wrong', async () => {
  const redis = await startRedis({ args: ['--requirepass', password] });
  service = await startService(await settings({ REDIS_URL: `redis://:${password}@127.0.0.1:${redis.port}` }));
  await useAll(service);
  expect(await lookThroughRedis(redis)).toBeGreaterThan(4);
  // A store that is gone is reported.
  await redis.kill();
  await asking(service)('GET', '/jobs', { token: await tokenFor({ sub: 'ada' }) });
  const running = service;
  await until(() => running.output().includes(`ECONNREFUSED 127.0.0.1:${redis.port}`));
  await redis.start();
  const { code } = await running.terminate();
  expect(code).toBe(0);
  // What was looked through was there to be looked through.
  expect(service.output()).toContain('"method":"POST"');
  expect(leaks()).toEqual([]);
  await redis.stop();
});

test('on the embedded store: the same, its files included', async () => {
  const data = join(directory, 'data');
  service = await startService(await settings({ DATA_DIR: data }));
  await useAll(service);
  await service.terminate();
  for (const file of await readdir(data)) {
    const text = (await readFile(join(data, file))).toString('latin1');
    // A webhook's URL is kept until it was told, and stays in a page that LMDB freed until another value is there.
    lookThrough(`the file ${file}`, text.replaceAll(hookTokens, ''));
  }
  expect(leaks()).toEqual([]);
});

test('settings that are wrong are named, and not told', async () => {
  const ended = await endOfService({
    ...(await settings({ REDIS_URL: `http://:${password}@127.0.0.1`, JWT_JWKS_URL: `http://${login}@example.com` })),
    WEBHOOK_SECRET: `whsec_${canary('odd')}`,
    WEBHOOK_HOSTS: `${canary('host')}/x`,
    ORIGINS: `https://${login}@example.com`,
  });
  expect(ended.code).toBe(1);
  for (const name of ['REDIS_URL', 'JWT_JWKS_URL', 'WEBHOOK_SECRET', 'WEBHOOK_HOSTS', 'ORIGINS'])
    expect(ended.output).toContain(name);
  const closed = await endOfService(
    await settings({ REDIS_URL: `redis://:${password}@127.0.0.1:1`, STORE_STRICT: '1' }),
  );
  // On a busy machine it may be ended from outside before it has left by itself.
  expect(closed.code).not.toBe(0);
  expect(leaks()).toEqual([]);
});

test('who looks finds', () => {
  const before = leaks().length;
  lookThrough('here', `a ${password} b`);
  expect(leaks()).toHaveLength(before + 1);
  (leaks() as string[]).pop();
});
