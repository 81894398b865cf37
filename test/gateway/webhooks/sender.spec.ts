import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { lastValueFrom } from 'rxjs';
import { eventually } from '../../support/until';
import { guardedLookup } from '../../../gateway/webhooks/address-policy';
import { publicLookup } from '../../../gateway/webhooks/public-lookup';
import { webhookSender, type WebhookSender } from '../../../gateway/webhooks/sender';
import { nameServer } from '../support/webhooks/name-server';

let server: Server | undefined;
let sender: WebhookSender | undefined;

afterEach(async () => {
  await sender?.close();
  server?.closeAllConnections();
  server?.close();
});

/** Sends a message to a receiver that answers like this. */
async function receiving(answer: RequestListener) {
  server = createServer((request, response) => {
    request.resume().once('end', () => answer(request, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { send } = (sender = webhookSender(Buffer.alloc(24), { hosts: [], allowsLoopback: true }, Date.now));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return (id: string) => lastValueFrom(send({ id, url, body: '{}' }));
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

test('[R16] informational answers before the answer are bounded', async () => {
  const send = await receiving(({ headers }, response) => {
    for (let n = 0; n < Number(headers['webhook-id']); n++) response.writeEarlyHints({ link: '</x>' });
    response.end();
  });
  expect(await send('16')).toEqual({ tag: 'delivered' });
  expect(await send('17')).toEqual({ tag: 'failed', reason: 'TOO_MANY_INTERIM_ANSWERS' });
});

describe('of a name server', () => {
  const lookedUpAt = (server: string, name: string) =>
    new Promise<unknown>((resolve) => {
      guardedLookup({ hosts: [], allowsLoopback: false }, publicLookup([server]))(name, { all: true }, (error, found) =>
        resolve(error ?? found),
      );
    });

  test('[R15] that keeps silent, the lookups hold up no other', async () => {
    const silent = await nameServer(() => undefined);
    // Node has two threads for the system's lookups.
    const names = ['a.example.com', 'b.example.com', 'c.example.com', 'd.example.com'];
    const all = Promise.all(names.map((name) => lookedUpAt(silent.address, name)));
    await silent.asked(names.length);
    expect(isIP((await lookup('localhost')).address)).toBeGreaterThan(0);
    silent.refuseAll();
    expect(await all).toEqual(names.map(() => expect.objectContaining({ code: 'ENOTFOUND' }) as unknown));
    silent.close();
  });

  test('that names another address each time, each is checked', async () => {
    const addresses = ['8.8.8.8', '127.0.0.1', '8.8.4.4'];
    const moving = await nameServer(() => addresses.shift());
    const looked = () => lookedUpAt(moving.address, 'moving.example.com');
    expect(await looked()).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(await looked()).toEqual(new Error('the host leads into a private network'));
    expect(await looked()).toEqual([{ address: '8.8.4.4', family: 4 }]);
    moving.close();
  });
});
