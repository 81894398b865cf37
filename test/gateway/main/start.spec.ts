import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { io } from 'socket.io-client';
import { startGateway, tokenAuth, type Gateway, type Log } from '../../../gateway/server/index';
import { createPipeline, type Pipeline } from '../../../index';
import { aStore } from '../../support/pipeline/stores';
import { until } from '../../support/until';

const store = aStore();
const secret = new Uint8Array(32).fill(7);
let pipeline: Pipeline;
let gateway: Gateway | undefined;
let taken: Server;

beforeAll(async () => {
  pipeline = createPipeline({ servers: ['http://127.0.0.1:1'], store });
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
});
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});
afterAll(async () => {
  await pipeline.close();
  taken.close();
});

const viewerOf = () => Promise.resolve(undefined);
test.each<[options: object, complaint: string]>([
  [{ pipeline: null }, 'pipeline must be what createPipeline gives'],
  [{ port: '80a' }, 'port must be a whole number from 0 to 65535; 0 takes a free one'],
  [{ port: Number.NaN }, 'port must be a whole number from 0 to 65535; 0 takes a free one'],
  [{ host: '' }, 'host must be an address or a host name'],
  [{ orgins: [] }, 'orgins is no option'],
  [
    { origins: 'https://app.example.com' },
    'origins must be a list of web origins such as https://app.example.com, without paths',
  ],
  [
    { origins: ['app.example.com'] },
    'origins must be a list of web origins such as https://app.example.com, without paths',
  ],
  [{ basePath: 'comfy' }, 'basePath must be a path such as /comfy'],
  [{ auth: { viewerOf } }, 'auth must be an object with required, true or false, and viewerOf, a function'],
  [{ logger: { info: () => undefined } }, 'logger must be one with debug, info, warn, error'],
  [{ rates: { requestsPerMinute: Number.NaN } }, 'rates.requestsPerMinute must be a whole number; 0 for no bound'],
  [{ rates: { requestsPerMinute: -1 } }, 'rates.requestsPerMinute must be a whole number; 0 for no bound'],
  [{ rates: { requests: 1 } }, 'rates.requests is no option'],
  [{ limits: { stallMs: Number.NaN } }, 'limits.stallMs must be a whole number from 1'],
  [{ proxies: -1 }, 'proxies must be a whole number'],
  [{ bodyLimitBytes: Number.NaN }, 'bodyLimitBytes must be a whole number of bytes, at least 1'],
  [{ urlKeys: { secret: new Uint8Array() } }, 'urlKeys.secret must be at least 32 random bytes, a Uint8Array'],
  [{ metrics: null }, 'metrics must be what prometheusMetrics gives'],
  [{ urlKeys: 'x' }, 'urlKeys must be an object with a secret, or with names'],
  [{ urlKeys: {} }, 'urlKeys must be an object with a secret, or with names'],
  [{ urlKeys: { names: 5 } }, 'urlKeys.names must be a store'],
  [{ webhooks: null }, 'webhooks must be an object with hooks, secret and hosts'],
  [{ webhooks: { hooks: store.hooks, secret, hosts: [1] } }, 'webhooks.hosts must be a list of host names'],
  [{ webhooks: { hooks: store.hooks, secret: 'x', hosts: [] } }, 'webhooks.secret must be at least 24 bytes'],
  [{ webhooks: { hooks: store.hooks, secret, hosts: [], host: 'a' } }, 'webhooks.host is no option'],
  [{ urlKeys: { secret, names: store, name: 1 } }, 'urlKeys.name is no option'],
  [{ downloads: { turnMs: 3e9 } }, 'downloads.turnMs must be a whole number of ms from 1 to 2147483647'],
  [{ downloads: { turnMs: 0 } }, 'downloads.turnMs must be a whole number of ms from 1 to 2147483647'],
  [{ limits: { stallMs: 2 ** 31 } }, 'limits.stallMs must be a whole number of ms from 1 to 2147483647'],
])('[R18] options that cannot be taken are refused by name: %j', async (options, complaint) => {
  await expect(startGateway({ pipeline, port: 0, ...options })).rejects.toThrow(new TypeError(complaint));
});

test.each(['', 'short'])('[R16] tokens under the secret %j could be anybody’s', (text) => {
  expect(() => tokenAuth({ secret: Buffer.from(text) })).toThrow('secret must be at least 32 random bytes');
});

test('what is undefined is absent, and paths and origins may end in a slash', async () => {
  gateway = await startGateway({
    pipeline,
    port: 0,
    auth: tokenAuth({ secret }),
    basePath: '/comfy/',
    origins: ['https://app.example.com/'],
    ...({ rates: { requestsPerMinute: undefined }, logger: undefined, webhooks: undefined } as object),
  });
  const response = await fetch(`${gateway.url}/comfy/me`, { headers: { origin: 'https://app.example.com' } });
  expect(response.status).toBe(401);
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
});

test('[R15] a logger that throws costs no request and no process', async () => {
  const warnings: string[] = [];
  const warn = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', warn);
  const broken = (): never => {
    throw new Error('the log is full');
  };
  const logger: Log = { debug: broken, info: broken, warn: broken, error: broken };
  gateway = await startGateway({ pipeline, port: 0, logger });
  expect((await fetch(`${gateway.url}/livez`, { headers: { origin: 'https://else.where' } })).status).toBe(403);
  expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
  await until(() => warnings.some((message) => message.includes('logger.debug threw')));
  process.off('warning', warn);
});

test('of a gateway that could not listen nothing is left: no webhook is looked for', async () => {
  let looks = 0;
  const hooks = new Proxy(store.hooks, {
    get: (of, name) => {
      const value: unknown = Reflect.get(of, name);
      return typeof value !== 'function'
        ? value
        : (...given: unknown[]): unknown => ((looks += 1), value.apply(of, given));
    },
  });
  const { port } = taken.address() as AddressInfo;
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  try {
    const webhooks = { hooks, secret, hosts: [] };
    await expect(startGateway({ pipeline, port, webhooks })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const before = looks;
    await jest.advanceTimersByTimeAsync(120_000);
    expect(looks).toBe(before);
  } finally {
    jest.useRealTimers();
  }
});

test('a gateway may be closed twice, and after its pipeline: who asks meanwhile is told', async () => {
  const own = createPipeline({ servers: ['http://127.0.0.1:1'], store: aStore() });
  gateway = await startGateway({ pipeline: own, port: 0 });
  const socket = io(gateway.url, { transports: ['websocket'], reconnection: false });
  await new Promise((resolve) => socket.on('connect', () => resolve(undefined)));
  await own.close();
  expect((await fetch(`${gateway.url}/jobs`)).status).toBe(503);
  const closing = { ok: false, error: { code: 'closing', message: 'Try again later.' } };
  expect(await socket.emitWithAck('job:join', 'x')).toEqual(closing);
  expect(await socket.emitWithAck('jobs:watch')).toEqual(closing);
  expect(socket.connected).toBe(true);
  socket.close();
  await Promise.all([gateway.close(), gateway.close()]);
  await gateway.close();
});
