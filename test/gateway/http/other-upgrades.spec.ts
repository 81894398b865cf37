import { once } from 'node:events';
import { connect } from 'node:net';
import { runningGateway, type RunningGateway } from '../support/running-gateway';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await runningGateway();
});
afterAll(() => gateway.close());

/** All that comes until the connection is closed; `later` is sent after the rest was. */
async function answerTo(lines: readonly string[], later = ''): Promise<string> {
  const { hostname, port, host } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const [first, ...others] = lines;
  socket.write([first, `Host: ${host}`, ...others, '', ''].join('\r\n'));
  setImmediate(() => socket.write(later));
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return text;
}

const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAAAAIAAAAA'];
const webSocket = [
  ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

it('answers who offers HTTP/2 in HTTP/1.1', async () => {
  const answer = await answerTo(['GET /livez HTTP/1.1', ...h2c]);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toMatch(/Connection: close\r\n/i);
  expect(answer).toContain('{"status":"alive"}');
});

it.each([
  ['with its length', ['Content-Length: 12'], '{"type": "x"'],
  ['in chunks', ['Transfer-Encoding: chunked'], 'c\r\n{"type": "x"\r\n0\r\n\r\n'],
])('reads a body that comes after such an offer, %s', async (_, headers, body) => {
  const answer = await answerTo(['POST /jobs HTTP/1.1', 'Content-Type: application/json', ...headers, ...h2c], body);
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain('malformed-json');
});

it('answers a WebSocket where there is none as any request', async () => {
  const answer = await answerTo(['GET /sockets HTTP/1.1', ...webSocket]);
  expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  expect(answer).toContain('urn:comfyui-jobstream:problem:not-found');
});

it('answers such an offer behind other requests of its connection in its turn', async () => {
  const { host } = new URL(gateway.url);
  const before = [`GET /me HTTP/1.1\r\nHost: ${host}`, '', `GET /openapi.json HTTP/1.1\r\nHost: ${host}`, ''];
  const answer = await answerTo([before.join('\r\n') + '\r\nGET /livez HTTP/1.1', ...h2c]);
  const answers = answer.split('HTTP/1.1 200 OK').slice(1);
  expect(answers.map((each) => each.split('\r\n\r\n')[1]?.slice(0, 9))).toEqual([
    ...['{"user":"', '{"openapi', '{"status"'],
  ]);
});
