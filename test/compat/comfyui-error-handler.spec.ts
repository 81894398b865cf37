import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ComfyUIErrorHandlerService, ErrorCategory } from '../../compat';
import { PipelineClosed } from '../../index';
import { start, stopAll } from '../support/comfyui/client/comfyui-client';
import { withLogin } from './support';

afterEach(stopAll);

const handler = new ComfyUIErrorHandlerService();
const of = (message: string, name = 'Error') => handler.categorizeError(Object.assign(new Error(message), { name }));

test('waits 1, 2, 4, 8, 16 s, and no longer', () => {
  expect([1, 2, 3, 4, 5, 6, 20].map((n) => handler.getRetryDelay(n) / 1_000)).toEqual([1, 2, 4, 8, 16, 16, 16]);
});

test.each([
  ['ComfyUI history error: 502 Bad Gateway', ErrorCategory.TRANSIENT],
  ['429 Too Many Requests', ErrorCategory.TRANSIENT],
  ['fetch failed', ErrorCategory.TRANSIENT],
  ['what nobody knows', ErrorCategory.TRANSIENT],
  ['ComfyUI queue error: 400 - Value not in list', ErrorCategory.PERMANENT],
  ['404 Not Found', ErrorCategory.PERMANENT],
  ['Node timeout occurred', ErrorCategory.RECOVERABLE],
  ['Workflow validation failed: 400', ErrorCategory.FATAL],
  // No status, but a part of something else.
  ['image_00500_.png at 127.0.0.1:4040', ErrorCategory.TRANSIENT],
])('%s is %s', (message, category) => {
  expect(of(message)).toBe(category);
});

test('what gets no answer may be asked again, whatever it says', () => {
  expect(of('/history/404: status 400', 'NoAnswer')).toBe(ErrorCategory.TRANSIENT);
});

test('what was closed is not asked again', () => {
  expect(handler.shouldRetry(new PipelineClosed())).toBe(false);
});

test('is tried again only while the server is well, and rejects with the operation’s own error', async () => {
  const server = await start();
  const quick = new ComfyUIErrorHandlerService({ backoffBase: 1, maxRetries: 3 });
  const operation = jest.fn(() => Promise.reject(new Error('fetch failed')));
  const retried = jest.fn();
  await expect(quick.executeWithRetry(operation, server.url, retried)).rejects.toThrow('fetch failed');
  expect(operation).toHaveBeenCalledTimes(3);
  expect(retried.mock.calls.map(([attempt]: unknown[]) => attempt)).toEqual([1, 2]);
  await server.kill();
  await expect(quick.executeWithRetry(operation, server.url)).rejects.toThrow('fetch failed');
  expect(operation).toHaveBeenCalledTimes(4);
});

test('a server that wants a login is asked with the one in its URL', async () => {
  const wanted = `Basic ${Buffer.from('ada:p@ss/word').toString('base64')}`;
  const server = createServer(({ url, headers }, answer) => {
    answer.statusCode = url === '/system_stats' && headers.authorization === wanted ? 200 : 401;
    answer.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await handler.checkHealth(withLogin(url))).toBe(true);
  expect(await handler.checkHealth(url)).toBe(false);
  expect(await handler.checkHealth(url.replace('://', '://ada:100%@'))).toBe(false);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test('a server that hangs is not well', async () => {
  const server = await start({ faults: { hangRoutes: ['/system_stats'] } });
  expect(await new ComfyUIErrorHandlerService({ healthCheckTimeout: 50 }).checkHealth(server.url)).toBe(false);
});

test('what else can be done is told', () => {
  const method = (message: string) => handler.getFallbackStrategy(new Error(message))?.method;
  expect(method('WebSocket connection timeout')).toBe('websocket_to_rest');
  expect(method('no such checkpoint')).toBe('primary_to_secondary');
  expect(method('a node failed')).toBe('optimized_to_simple');
  expect(method('something else')).toBeUndefined();
});
