import { ComfyUIWebSocketClient, type ComfyUIJobResult } from '../../compat';
import { nodeError, steps, twoOutputs } from '../support/comfyui/workflows';
import { start, stopAll, submit, finished, until } from '../support/comfyui/client/comfyui-client';
import { freePort } from '../support/network/ports';
import { aPod, closeAll, connected, expectOnce, expectRising, expectWarned, onEach, warnings } from './support';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

/** Everything that is told of a job. */
function heard(socket: ComfyUIWebSocketClient, promptId: string) {
  const progress: number[] = [];
  const ends: (ComfyUIJobResult | string)[] = [];
  socket.onProgress(promptId, (each) => progress.push(each));
  socket.onCompletion(promptId, (result) => ends.push(result));
  socket.onError(promptId, (error) => ends.push(error));
  return { progress, ends };
}

onEach(
  'a job that is posted under the client id is heard as it runs, and ends with all its images',
  async (version) => {
    const server = await start({ version, faults: { mostSteps: 1 } });
    const { socket, id } = await connected(server.url, 'my client');
    expect(id).toBe('my client');
    const promptId = await submit(server, twoOutputs(), { client_id: id });
    const { progress, ends } = heard(socket, promptId);
    server.faults.mostSteps = Infinity;
    await until(() => ends.length > 0);
    const image = expect.stringMatching(/^data:image\/png;base64,/) as string;
    expect(ends).toEqual([{ promptId, status: 'completed', images: [image, image] }]);
    expectRising(progress);
    expect(progress.length).toBeGreaterThan(5);
    expect(progress.at(-1)).toBe(100);
    expectOnce(server);
  },
);

onEach('an error in a node is told once', async (version) => {
  const server = await start({ version });
  const { socket, id } = await connected(server.url);
  const { ends } = heard(socket, await submit(server, nodeError(), { client_id: id }));
  await until(() => ends.length > 0);
  expect(ends).toEqual([expect.stringContaining('TestSyncError')]);
});

onEach('a job of a pod client is heard as it runs, through dropped sockets too', async (version) => {
  const server = await start({ version });
  const { socket } = await connected(server.url);
  const promptId = await aPod(server.url).queueWorkflow(steps({ steps: 20, secondsPerStep: 0.1 }));
  const { progress, ends } = heard(socket, promptId);
  await until(() => (progress.at(-1) ?? 0) > 20);
  warnings();
  server.dropSockets('clean');
  await until(() => ends.length > 0);
  expect(ends).toMatchObject([{ promptId, status: 'completed' }]);
  expectWarned('closed with code 1001');
  expectRising(progress);
  expectOnce(server);
});

test('handlers may come before the job, and after its end', async () => {
  const server = await start();
  const { socket, id } = await connected(server.url);
  const promptId = '0b9c2f7e-1de1-4a0e-8f4b-94b7d0f6b1aa';
  const early = heard(socket, promptId);
  await submit(server, steps({ steps: 2 }), { client_id: id, prompt_id: promptId });
  await until(() => early.ends.length > 0);
  await finished(server, promptId);
  const late = heard(socket, promptId);
  await until(() => late.ends.length > 0);
  expect(late.ends).toMatchObject([{ promptId, status: 'completed' }]);
});

test('a server that does not answer is given up in time', async () => {
  warnings();
  const socket = new ComfyUIWebSocketClient({ connectionTimeout: 1_000 });
  await expect(socket.connect(`http://127.0.0.1:${await freePort()}`)).rejects.toThrow('WebSocket connection timeout');
  expectWarned('ECONNREFUSED');
});

test('each connection has a client id of its own, and one that is there is used again', async () => {
  const server = await start();
  const one = await connected(server.url);
  const another = await one.socket.connect(server.url);
  expect(another).not.toBe(one.id);
  expect(await one.socket.connect(server.url, one.id)).toBe(one.id);
  expect(server.sockets()).toBe(2);
  one.socket.disconnect(another);
  await until(() => server.sockets() === 1);
  one.socket.disconnect('nobody');
});

test('under one client id there is a connection to each server, until it is closed', async () => {
  const [one, another] = await Promise.all([start(), start()]);
  const { socket, id } = await connected(one.url, 'my client');
  expect(await socket.connect(another.url, id)).toBe(id);
  expect([one.sockets(), another.sockets()]).toEqual([1, 1]);
  const promptId = await submit(another, steps({ steps: 2 }), { client_id: id });
  const { ends } = heard(socket, promptId);
  await until(() => ends.length > 0);
  expect(ends).toMatchObject([{ promptId, status: 'completed' }]);
  socket.disconnect(id);
  await until(() => one.sockets() + another.sockets() === 0);
});

test('a handler that throws harms nobody', async () => {
  const server = await start();
  const errors = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const { socket, id } = await connected(server.url);
  const promptId = await submit(server, steps({ steps: 2 }), { client_id: id });
  const { ends } = heard(socket, promptId);
  socket.onProgress(promptId, () => {
    throw new Error('mine');
  });
  await until(() => ends.length > 0);
  expect(ends).toMatchObject([{ status: 'completed' }]);
  expect(errors).toHaveBeenCalled();
  errors.mockRestore();
});
