import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { GenerationGateway } from '../../../examples/nestjs-relay/generation-gateway';
import { createPipeline, type JobState, type Pipeline } from '../../../index';
import { nodeError, steps, twoOutputs } from '../../support/comfyui/workflows';
import { start, stopAll, until } from '../../support/comfyui/client/comfyui-client';
import { aStore } from '../../support/pipeline/stores';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';

let comfyui: ComfyUIStandIn;
let pipeline: Pipeline;
let http: HttpServer;
let sockets: Server;
let gateway: GenerationGateway;
const kept: string[] = [];
const pages: Socket[] = [];

beforeEach(async () => {
  comfyui = await start();
  pipeline = createPipeline({ servers: [comfyui.url], store: aStore() });
  http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  sockets = new Server(http);
  gateway = new GenerationGateway({
    pipeline,
    userOf: ({ query }) => Promise.resolve(typeof query['userId'] === 'string' ? query['userId'] : undefined),
    imagesOf: ({ promptId, outputs = [] }: JobState) => {
      kept.push(promptId);
      return Promise.resolve(outputs.map(({ nodeId }) => ({ id: nodeId, url: `/images/${promptId}/${nodeId}` })));
    },
    report: (error) => {
      throw error;
    },
  });
  // As Nest does with the methods of a gateway.
  gateway.afterInit(sockets);
  sockets.on('connection', (socket) => {
    void gateway.handleConnection(socket);
    socket.on('generation:subscribe', (ids: unknown) => void gateway.handleGenerationSubscribe(socket, ids));
    socket.on('ping', () => gateway.handlePing(socket));
  });
});

afterEach(async () => {
  kept.length = 0;
  for (const page of pages.splice(0)) page.disconnect();
  gateway.onModuleDestroy();
  await sockets.close();
  await pipeline.close();
  await stopAll();
});

type Told = readonly [event: string, payload: Readonly<Record<string, unknown>>];

/** A user's page, and everything it is told. */
async function aPage(userId?: string) {
  const { port } = http.address() as AddressInfo;
  const query = userId === undefined ? {} : { userId };
  const socket = io(`http://127.0.0.1:${port}`, { query, transports: ['websocket'], reconnection: false });
  pages.push(socket);
  const told: Told[] = [];
  socket.onAny((...event: unknown[]) => told.push(event as unknown as Told));
  await once(socket as never, userId === undefined ? 'disconnect' : 'connection:established');
  const of = (event: string) => told.filter(([name]) => name === event).map(([, payload]) => payload);
  return { socket, told, of };
}

const submit = async (workflow: object, userId = 'ada') =>
  (
    await pipeline.submit({
      type: 'image_generation',
      userId,
      workflow: JSON.stringify(workflow),
      characterId: 'mira',
      metadata: { jobId: 'row 7' },
    })
  ).promptId;

test('a page sees progress that never falls, then the end with all images', async () => {
  const page = await aPage('ada');
  const promptId = await submit(twoOutputs());
  await until(() => page.of('generation:complete').length > 0);
  const progress = page.of('generation:progress').map((each) => each['progress'] as number);
  expect(progress.length).toBeGreaterThan(5);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(page.of('generation:progress').at(-1)).toMatchObject({ jobId: 'row 7', promptId, status: 'processing' });
  const images = ['4', '6'].map((id) => ({ id, url: `/images/${promptId}/${id}` }));
  expect(page.of('generation:complete')).toEqual([
    { jobId: 'row 7', promptId, characterId: 'mira', metadata: { jobId: 'row 7' }, images },
  ]);
  expect(page.told.at(-1)?.[0]).toBe('generation:complete');
});

test('a job that fails is an error, and says whether another try may help', async () => {
  const page = await aPage('ada');
  const promptId = await submit(nodeError());
  await until(() => page.of('generation:error').length > 0);
  expect(page.of('generation:error')).toEqual([
    expect.objectContaining({ promptId, errorCode: 'node_error', retryable: false }),
  ]);
});

test('[R13, R14] nobody is told of another user’s jobs, nor who proves to be nobody of any', async () => {
  const bob = await aPage('bob');
  const nobody = await aPage();
  const ada = await aPage('ada');
  const promptId = await submit(steps({ steps: 2 }));
  bob.socket.emit('generation:subscribe', [promptId, 7, 'unknown']);
  await until(() => ada.of('generation:complete').length > 0);
  bob.socket.emit('ping');
  await until(() => bob.told.some(([event]) => event === 'pong'));
  expect(bob.told.map(([event]) => event)).toEqual(['connection:established', 'pong']);
  expect(nobody.told).toEqual([]);
});

test('a page that comes late is told where its jobs are, and their images are kept once', async () => {
  comfyui.faults.mostSteps = 1;
  const running = await submit(steps());
  const done = await submit(steps({ steps: 1 }));
  await pipeline.cancel(running);
  const first = await aPage('ada');
  await until(() => kept.includes(done));
  first.socket.emit('generation:subscribe', [running, done]);
  await until(() => first.of('generation:error').length > 0 && first.of('generation:complete').length > 0);
  expect(first.of('generation:error').at(-1)).toMatchObject({ promptId: running, errorCode: 'cancelled' });
  expect(first.of('generation:complete').at(-1)).toMatchObject({ promptId: done, jobId: 'row 7' });
  expect(kept).toEqual([done]);
});
