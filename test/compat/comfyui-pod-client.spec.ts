import { nodeError, rejected, steps, twoOutputs, partlyRejected } from '../support/comfyui/workflows';
import {
  get,
  post,
  start,
  stopAll,
  submit,
  finished,
  until,
  type Queue,
} from '../support/comfyui/client/comfyui-client';
import { freePort } from '../support/network/ports';
import { tcpProxy, type TcpProxy } from '../support/network/tcp-proxy';
import {
  ComfyUIErrorHandlerService,
  ComfyUIPodClient,
  ComfyUIWebSocketClient,
  createComfyUIPodClient,
} from '../../compat';
import { eventually } from '../support/until';
import { aPod, closeAll, expectOnce, expectRising, expectWarned, onEach, posts, warnings, withLogin } from './support';

const proxies: TcpProxy[] = [];
afterEach(() => void jest.restoreAllMocks());
// Not after each: some tests run at the same time.
afterAll(async () => {
  await closeAll();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await stopAll();
});

const DATA_URL = /^data:image\/png;base64,iVBORw0KGgo/;

/** Runs a workflow as the application does, with progress. */
function running(url: string, workflow: object) {
  const progress: number[] = [];
  const pod = aPod(url, { websocketClient: new ComfyUIWebSocketClient() });
  const result = pod.executeWorkflow(workflow, 2_000, (each) => progress.push(each));
  return { pod, progress, result };
}
const long = () => steps({ steps: 20, secondsPerStep: 0.1 });

onEach('a workflow with two outputs comes back with both images', async (version) => {
  const server = await start({ version });
  const { progress, result } = running(server.url, twoOutputs());
  expect(await result).toEqual({
    promptId: [...server.executions.keys()][0],
    status: 'completed',
    images: [expect.stringMatching(DATA_URL), expect.stringMatching(DATA_URL)],
  });
  expectRising(progress);
  expect(progress.length).toBeGreaterThan(5);
  expect(progress.at(-1)).toBe(100);
  expectOnce(server);
});

onEach('an error in a node is told with the node', async (version) => {
  const server = await start({ version });
  const { progress, result } = running(server.url, nodeError());
  expect(await result).toMatchObject({ status: 'failed', error: expect.stringContaining('TestSyncError') as string });
  expectRising(progress);
  expect(progress).not.toContain(100);
  expectOnce(server);
});

onEach('a socket that drops costs nothing', async (version) => {
  const server = await start({ version });
  const { progress, result } = running(server.url, long());
  await until(() => (progress.at(-1) ?? 0) > 20);
  warnings();
  server.dropSockets('abrupt');
  expect(await result).toMatchObject({ status: 'completed', images: [expect.stringMatching(DATA_URL)] });
  expectWarned('closed with code 1006');
  expectRising(progress);
  expect(progress.at(-1)).toBe(100);
  expectOnce(server);
});

onEach('a job that finished while the server was out of reach is found finished', async (version) => {
  const server = await start({ version });
  const proxy = await tcpProxy(server.url);
  proxies.push(proxy);
  const { progress, result } = running(proxy.url, twoOutputs());
  await until(() => (progress.at(-1) ?? 0) > 20);
  warnings();
  proxy.refuse();
  proxy.reset();
  await finished(server, [...server.executions.keys()][0]!);
  proxy.accept();
  expect(await result).toMatchObject({ status: 'completed', images: Array(2).fill(expect.stringMatching(DATA_URL)) });
  expectWarned('closed with code 1006');
  expectRising(progress);
  expectOnce(server);
});

onEach.concurrent('a job that another one cancels has failed', async (version) => {
  const server = await start({ version, faults: { mostSteps: 10 } });
  const { progress, result } = running(server.url, long());
  await until(() => (progress.at(-1) ?? 0) > 20);
  const { queue_running } = await get<Queue>(server, '/queue');
  await post(server, '/interrupt', { prompt_id: queue_running[0]![1] });
  const { status, images, error } = await result;
  expect([status, images]).toEqual(['failed', undefined]);
  expect(error).toMatch(/interrupted|cancelled/i);
  expectRising(progress);
  expect(progress).not.toContain(100);
  expectOnce(server);
});

onEach.concurrent(
  'a job that is queued is told of by its id, also by a client that did not post it',
  async (version) => {
    const server = await start({ version, faults: { mostSteps: 5 } });
    const pod = aPod(server.url);
    const promptId = await pod.queueWorkflow(long());
    expect(['queued', 'processing']).toContain((await pod.getJobStatus(promptId)).status);
    server.faults.mostSteps = Infinity;
    await finished(server, promptId);
    await pod.close();
    const another = aPod(server.url);
    await until(async () => (await another.getJobStatus(promptId)).status === 'completed');
    expect((await another.getJobStatus(promptId)).images).toEqual([expect.stringMatching(DATA_URL)]);
    expectOnce(server);
  },
);

onEach.concurrent('no time-out posts again, and the job is told of to its end', async (version) => {
  const server = await start({ version, faults: { mostSteps: 5 } });
  const pod = aPod(server.url, { timeout: 1_500 });
  const { promptId, status, error } = await pod.executeWorkflow(long());
  expect([status, error]).toEqual(['failed', 'Timeout after 1500ms']);
  server.faults.mostSteps = Infinity;
  await until(async () => (await pod.getJobStatus(promptId)).status === 'completed');
  expectOnce(server);
});

test.concurrent('a client that is closed lets go of a job that it runs, which goes on', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const { pod, progress, result } = running(server.url, long());
  await until(() => progress.length > 1);
  await pod.close();
  await until(() => server.sockets() === 0);
  const { promptId, status, error } = await result;
  expect([status, error]).toEqual(['failed', 'The client was closed']);
  server.faults.mostSteps = Infinity;
  await finished(server, promptId);
  expect(await pod.getJobStatus(promptId)).toMatchObject({ status: 'completed' });
  expectOnce(server);
});

test.concurrent('a client that is closed while it posts follows nothing of that', async () => {
  const server = await start({ faults: { mostSteps: 5 } });
  const pod = aPod(server.url);
  const runs = pod.executeWorkflow(long());
  const queues = pod.queueWorkflow(long());
  await pod.close();
  expect(await runs).toMatchObject({ status: 'failed', error: 'The client was closed' });
  await queues;
  await until(() => server.sockets() === 0);
  expect(posts(server)).toBe(2);
});

test('an answer that is lost after the workflow was queued has nothing posted twice', async () => {
  warnings();
  const server = await start({ faults: { loseAnswer: 'after', loseAnswerTimes: 1 } });
  expect(await running(server.url, twoOutputs()).result).toMatchObject({ status: 'completed' });
  expectWarned(': /prompt: ');
  expectOnce(server);
});

onEach.concurrent(
  'a job that somebody deletes while it waits has failed, for good',
  async (version) => {
    const server = await start({ version, faults: { mostSteps: 5 } });
    await submit(server, long());
    const pod = aPod(server.url);
    const promptId = await pod.queueWorkflow(steps({ steps: 2 }));
    let waiting: Queue['queue_pending'] = [];
    await until(async () => (waiting = (await get<Queue>(server, '/queue')).queue_pending).length > 0);
    await post(server, '/queue', { delete: [waiting[0]![1]] });
    await until(async () => (await pod.getJobStatus(promptId)).status === 'failed');
    await pod.close();
    expect(await pod.getJobStatus(promptId)).toMatchObject({ status: 'failed', error: expect.any(String) as string });
    expect([...server.executions.values()]).toEqual([1]);
  },
  ['0.3.30', '0.33.0'],
);

test.each([
  ['without a login', (url: string) => url],
  ['with a login', withLogin],
])('%s, images of a finished job that cannot be had for a moment are asked for again', async (_how, urlOf) => {
  const server = await start({ faults: { status: { httpStatus: 503, body: 'busy', routes: ['/view', '/api/view'] } } });
  const errorHandler = new ComfyUIErrorHandlerService({ backoffBase: 100, maxRetries: 5 });
  const result = aPod(urlOf(server.url), { errorHandler }).executeWorkflow(steps({ steps: 2 }));
  await until(() => server.requests.some(({ path }) => path.includes('/view?')));
  server.faults.status = undefined;
  expect(await result).toMatchObject({ status: 'completed', images: [expect.stringMatching(DATA_URL)] });
  expectOnce(server);
});

test('a workflow that is refused is told with its nodes, and does not run', async () => {
  const server = await start();
  const pod = aPod(server.url);
  await expect(pod.queueWorkflow(rejected())).rejects.toThrow(/^ComfyUI queue error: 400 - .*EmptyImage/);
  await expect(pod.executeWorkflow(rejected())).rejects.toThrow('ComfyUI queue error: 400');
  await expect(pod.queueWorkflow(partlyRejected())).rejects.toThrow('ComfyUI node errors');
  await until(async () => (await get<Queue>(server, '/queue')).queue_running.length === 0);
  expect(posts(server)).toBe(3);
});

test('a server that does not answer says nothing of a job', async () => {
  const server = await start();
  const pod = aPod(server.url);
  const promptId = await pod.queueWorkflow(steps({ steps: 2, secondsPerStep: 0.01 }));
  await finished(server, promptId);
  await pod.close();
  await server.kill();
  warnings();
  await expect(aPod(server.url).getJobStatus(promptId)).rejects.toThrow();
  expect(await aPod(server.url).healthCheck()).toBe(false);
  await eventually(() => expectWarned('ECONNREFUSED'));
});

test('what a pod has is told', async () => {
  const server = await start();
  const pod = aPod(`${server.url}/`);
  expect(pod.getBaseUrl()).toBe(server.url);
  expect(await pod.healthCheck()).toBe(true);
  expect(await pod.getAvailableNodes()).toEqual(expect.arrayContaining(['KSampler', 'SaveImage']));
  expect((await pod.getModels()).checkpoints.length).toBeGreaterThan(0);
  expect(await pod.uploadImage(Buffer.from('a picture'), 'mine.png')).toBe('mine.png');
  warnings();
  server.faults.status = { httpStatus: 200, body: '<html>Pod not found</html>' };
  expect(await pod.healthCheck()).toBe(false);
  expect(await pod.getAvailableNodes()).toEqual([]);
  expectWarned('no node types');
});

test('a pod is named by COMFYUI_POD_URL', async () => {
  const before = process.env['COMFYUI_POD_URL'];
  try {
    process.env['COMFYUI_POD_URL'] = `http://127.0.0.1:${await freePort()}/`;
    expect(createComfyUIPodClient()).toBeInstanceOf(ComfyUIPodClient);
    delete process.env['COMFYUI_POD_URL'];
    expect(createComfyUIPodClient).toThrow('COMFYUI_POD_URL');
  } finally {
    if (before !== undefined) process.env['COMFYUI_POD_URL'] = before;
  }
});
