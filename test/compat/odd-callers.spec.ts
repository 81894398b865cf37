import { ComfyUIErrorHandlerService, ComfyUIPodClient, ComfyUIWebSocketClient } from '../../compat';
import { start, stopAll } from '../support/comfyui/client/comfyui-client';
import { steps, twoOutputs } from '../support/comfyui/workflows';
import { aPod, closeAll, connected } from './support';

afterEach(async () => {
  await closeAll();
  await stopAll();
});

test('[R15] a progress handler that throws costs the caller neither the result nor the images', async () => {
  const told = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const server = await start();
  const { socket } = await connected(server.url);
  const pod = aPod(server.url, { websocketClient: socket });
  const result = await pod.executeWorkflow(twoOutputs(), 10, () => {
    throw new Error('a mistake of the application');
  });
  expect(result).toMatchObject({ status: 'completed' });
  expect(result.images).toHaveLength(2);
  expect(told).toHaveBeenCalledWith('comfyui-jobstream: a handler threw', expect.any(Error));
  told.mockRestore();
});

test('a timeout without an end is none, and one that is no number is refused', async () => {
  const server = await start();
  const pod = aPod(server.url, { timeout: Infinity });
  expect(await pod.executeWorkflow(steps({ steps: 2 }))).toMatchObject({ status: 'completed' });
  const socket = new ComfyUIWebSocketClient({ connectionTimeout: Infinity });
  socket.disconnect(await socket.connect(server.url));
  const unset = Number(undefined);
  expect(() => aPod(server.url, { timeout: unset })).toThrow('timeout must be a number, not negative');
  expect(() => new ComfyUIWebSocketClient({ connectionTimeout: unset })).toThrow('connectionTimeout must be a number');
  expect(() => new ComfyUIErrorHandlerService({ maxRetries: unset })).toThrow('maxRetries must be a number');
});

test('a setting that is unset in place of the URL is told', () => {
  const baseUrl = process.env['NO_SUCH_SETTING'] as string;
  expect(() => new ComfyUIPodClient({ baseUrl })).toThrow(
    'baseUrl must be the URL of a ComfyUI: http://127.0.0.1:8188',
  );
});

test('a login that is not percent-encoded is named, and not told', () => {
  const made = () => new ComfyUIPodClient({ baseUrl: 'http://ada:50%off@127.0.0.1:1' });
  expect(made).toThrow(new TypeError('a login in baseUrl must be percent-encoded: % is %25'));
});
