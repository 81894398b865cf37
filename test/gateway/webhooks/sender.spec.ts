import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { lastValueFrom } from 'rxjs';
import { eventually } from '../../support/until';
import { webhookSender, type WebhookSender } from '../../../gateway/webhooks/sender';

let server: Server;
let sender: WebhookSender;

afterEach(async () => {
  await sender.close();
  server.closeAllConnections();
  server.close();
});

/** Sends a message to a receiver that answers like this. */
async function receiving(answer: RequestListener) {
  server = createServer((request, response) => {
    request.resume().once('end', () => answer(request, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  sender = webhookSender(Buffer.alloc(24), { hosts: [], allowsLoopback: true }, Date.now);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return (id: string) => lastValueFrom(sender.send({ id, url, body: '{}' }));
}

test.each([
  ['nothing', (response: ServerResponse) => response.flushHeaders()],
  ['a body that does not end', (response: ServerResponse) => response.write('thanks')],
])('the status of an answer is its outcome at once, with %s after it; its connection is closed', async (_, begin) => {
  const answers = new Map<unknown, ServerResponse>();
  const send = await receiving(({ headers }, response) => {
    answers.set(headers['webhook-id'], response.writeHead(200));
    begin(response);
  });
  // As it is when the outcome is told: a body may take a second from then on.
  const told = async (id: string) => [await send(id), answers.get(id)?.destroyed];
  expect(await Promise.all(['a', 'b', 'c', 'd'].map(told))).toEqual(Array(4).fill([{ tag: 'delivered' }, false]));
  expect(await send('e')).toEqual({ tag: 'delivered' });
  await eventually(() => expect([...answers.values()].every(({ destroyed }) => destroyed)).toBe(true));
});

test('the connection of an answer that ends is used again', async () => {
  const ports = new Set<number | undefined>();
  const send = await receiving((request, response) => {
    ports.add(request.socket.remotePort);
    response.end('thanks');
  });
  for (const id of ['a', 'b', 'c']) {
    expect(await send(id)).toEqual({ tag: 'delivered' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ports.size).toBe(1);
});
