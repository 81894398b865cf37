import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { SparingServer } from '../../../gateway/admission/limits/sparing-pongs';

let http: Server;
let connection: Socket;
let text = '';
beforeAll(async () => {
  const sockets = new SparingServer({ noServer: true });
  http = createServer().on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, () => undefined);
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  connection = connect((http.address() as AddressInfo).port, '127.0.0.1');
  const key = Buffer.alloc(16).toString('base64');
  const head = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  connection.write(`GET / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
  await once(connection, 'data');
});
afterAll(() => {
  connection.destroy();
  http.close();
});

/** A masked ping; the mask is zero. */
const ping = (payload: string): Buffer =>
  Buffer.concat([Buffer.from([0x89, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)]);

/** Reads on until a payload has come back. */
async function answered(payload: string): Promise<void> {
  connection.resume();
  while (!text.includes(payload)) text += String((await once(connection, 'data'))[0]);
}

test('a ping is answered with its payload', async () => {
  connection.write(ping('are you there?'));
  await answered('are you there?');
});

test('[R16] who pings and reads nothing gets no pong for each: the newest is answered', async () => {
  text = '';
  connection.pause();
  const many = 400_000;
  const filler = ping('x'.repeat(120));
  const block = Buffer.concat(Array.from({ length: 1_000 }, () => filler));
  for (let sent = 0; sent < many; sent += 1_000) if (!connection.write(block)) await once(connection, 'drain');
  connection.write(ping('the last'));
  await answered('the last');
  // What the kernel's buffers hold was answered; the rest would have been memory of the process.
  expect(text.length / 122).toBeLessThan(many / 2);
});
