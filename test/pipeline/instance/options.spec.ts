import { lastValueFrom } from 'rxjs';
import {
  createPipeline,
  embeddedStore,
  InvalidRedisUrl,
  redisStore,
  type Pipeline,
  type PipelineOptions,
  type Timing,
} from '../../../index';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { steps } from '../../support/comfyui/workflows';
import { hurried } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';

const servers = ['http://127.0.0.1:1'];
const store = aStore();
const opened = new Set<Pipeline>();
const open = (options: PipelineOptions): Pipeline => {
  const pipeline = createPipeline(options);
  opened.add(pipeline);
  return pipeline;
};
const broken = (): never => {
  throw new Error('a mistake of the application');
};
const request = (count: number) => ({
  type: 'image_generation',
  userId: 'ada',
  workflow: steps({ steps: count, secondsPerStep: 0.05 }),
});

afterEach(async () => {
  await Promise.all([...opened].map((pipeline) => pipeline.close()));
  opened.clear();
  await stopAll();
});
afterAll(() => lastValueFrom(store.close(), { defaultValue: undefined }));

test.each<[what: string, callbacks: Partial<PipelineOptions>]>([
  ['throw', { report: broken, telemetry: broken, random: broken }],
  // eslint-disable-next-line @typescript-eslint/no-misused-promises, @typescript-eslint/require-await -- what TypeScript alone takes
  ['reject', { report: async () => broken(), telemetry: async () => broken() }],
  ['give no number from 0 to 1', { random: () => Number.NaN }],
])('[R15] callbacks that %s cost no job: it goes on after its server was away', async (_, callbacks) => {
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warn);
  const comfy = await start();
  const pipeline = open({ servers: [comfy.url], store: aStore(broken), timing: hurried, ...callbacks });
  comfy.faults.mostSteps = 5;
  const { promptId } = await pipeline.submit(request(10));
  comfy.faults.status = { httpStatus: 503, body: '' };
  comfy.dropSockets('abrupt');
  await until(async () => (await pipeline.get(promptId))?.silentSince !== undefined);
  comfy.faults.status = undefined;
  comfy.faults.mostSteps = Infinity;
  expect(await lastValueFrom(pipeline.watch(promptId))).toMatchObject({ status: 'completed' });
  process.off('warning', warn);
  // Each is told of once.
  const told = warnings
    .map(({ message }) => message)
    .filter((message) => message.includes('a mistake of the application'));
  expect(new Set(told).size).toBe(told.length);
  expect(told.length > 0).toBe('report' in callbacks);
});

test('what is undefined is absent: the default is taken', async () => {
  const comfy = await start();
  const timing = Object.fromEntries(Object.keys(hurried).map((name) => [name, undefined])) as Partial<Timing>;
  const pipeline = open({
    servers: [comfy.url],
    store: aStore(),
    timing,
    socketTiming: { pingMs: undefined } as never,
    ...({ report: undefined, random: undefined, timeoutMs: undefined, userLimits: { jobs: undefined } } as object),
  });
  const { promptId, deadlineAt, startedAt } = await pipeline.submit(request(1));
  expect(deadlineAt).toBe(startedAt + 12 * 3_600_000);
  expect(await lastValueFrom(pipeline.watch(promptId))).toMatchObject({ status: 'completed' });
});

test.each<[options: unknown, complaint: string]>([
  [undefined, 'a pipeline needs options, an object'],
  [{ servers, store, retport: broken }, 'retport is no option'],
  [{ servers }, 'store must be a store, such as redisStore(…) or embeddedStore(…) gives'],
  [{ servers, store: {} }, 'store must be a store, such as redisStore(…) or embeddedStore(…) gives'],
  [{ servers, store, report: 'x' }, 'report must be a function'],
  [{ servers, store, clock: null }, 'clock must be a scheduler of RxJS'],
  [{ servers, store, timeoutMs: -5 }, 'timeoutMs must be a number of ms, or Infinity for no bound'],
  [{ servers, store, timeoutMs: Number.NaN }, 'timeoutMs must be a number of ms, or Infinity for no bound'],
  [{ servers, store, timing: { pollMs: Number.NaN } }, 'timing.pollMs must be a number of ms, 24 days at most'],
  [{ servers, store, timing: { poleMs: 1 } }, 'timing.poleMs is no option'],
  [{ servers, store, socketTiming: { pingMs: '5' } }, 'socketTiming.pingMs must be a number of ms, 24 days at most'],
  [{ servers, store, userLimits: { jobs: -1 } }, 'userLimits.jobs must be a number, or Infinity for no bound'],
  [{ servers: [null], store }, 'a server must be a URL, or an object with a url'],
  [{ servers: [{ url: servers[0], tags: 'lora_training' }], store }, 'a server’s tags must be a list of job types'],
  [{ servers: [{ url: servers[0], name: 5 }], store }, 'a server’s name must be text'],
  [{ servers: [{ url: servers[0], header: {} }], store }, 'a server’s header is no option'],
])('[R18] %j is refused by name', (options, complaint) => {
  expect(() => createPipeline(options as PipelineOptions)).toThrow(new TypeError(complaint));
});

test.each([
  ['leaseTtlMs', '10000'],
  ['commandTimeoutMs', 0],
])('[R18] a Redis store’s %s of %j is refused by name', (name, ms) => {
  const options = { url: 'redis://127.0.0.1:1', report: () => undefined, [name]: ms };
  expect(() => redisStore(options)).toThrow(`${name} must be a number of ms, more than 0 and 24 days at most`);
});

const report = (): void => undefined;
test.each<[open: (options: never) => unknown, options: unknown, complaint: string]>([
  [redisStore, 'redis://127.0.0.1:1', 'redisStore needs options, an object'],
  [redisStore, { url: 'redis://127.0.0.1:1' }, 'report must be a function'],
  [redisStore, { url: 'redis://127.0.0.1:1', report, ttl: 5 }, 'redisStore’s ttl is no option'],
  [embeddedStore, undefined, 'embeddedStore needs options, an object'],
  [embeddedStore, { temporary: true }, 'report must be a function'],
  [embeddedStore, { dir: './data', report }, 'embeddedStore’s dir is no option'],
  [embeddedStore, { report }, 'embeddedStore’s directory must be the path of a folder, or temporary true'],
  [
    embeddedStore,
    { directory: '', report },
    'embeddedStore’s directory must be the path of a folder, or temporary true',
  ],
])('[R18] %p refuses %j by name', (store, options, complaint) => {
  expect(() => store(options as never)).toThrow(new TypeError(complaint));
});

test('a Redis store without a URL, as of a setting that is unset, says what a URL is', () => {
  const url = process.env['NO_SUCH_SETTING'] as string;
  expect(() => redisStore({ url, report })).toThrow(InvalidRedisUrl);
});
