import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { VirtualTimeScheduler, lastValueFrom } from 'rxjs';
import { NotAsked, Unread, Unreadable } from '../../../sources/rest/no-answer';
import { read as readAnswer, rest, type Rest } from '../../../sources/rest/rest';
import { view } from '../../../sources/files/view';
import { sparingReader } from '../../../sources/rest/sparing-reader';
import { serverAddress } from '../../../sources/server-address';
import { bounds } from '../../../streams/bounds';

const closing: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

const clock = new VirtualTimeScheduler();

async function asking(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  maxBytes = 1 << 20,
): Promise<Rest> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = rest(serverAddress(`http://127.0.0.1:${port}`), { timeoutMs: 5_000, maxBytes, breakAfter: 5 }, clock);
  closing.push(async () => {
    await client.close();
    server.close();
  });
  return client;
}

const ask = (client: Rest) => lastValueFrom(client.get('/prompt'));

describe('an answer that somebody on the way has packed', () => {
  const packs = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, GZip: gzipSync } as const;
  const packed =
    (encoding: string, body: Buffer) =>
    ({ headers }: IncomingMessage, response: ServerResponse): void => {
      expect(headers['accept-encoding']).toBe('identity');
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding }).end(body);
    };

  test.each(Object.entries(packs))('by %s is read', async (encoding, pack) => {
    const client = await asking(packed(encoding, pack('{"exec_info": {"queue_remaining": 3}}')));
    expect(await ask(client)).toEqual({ status: 200, json: { exec_info: { queue_remaining: 3 } } });
  });

  test.each(Object.entries(packs))('[R16] by %s has no more bytes than one as it is', async (encoding, pack) => {
    const client = await asking(packed(encoding, pack(`["${'x'.repeat(100_000)}"]`)), 50_000);
    await expect(ask(client)).rejects.toThrow(/\/prompt: the answer is too large/);
    await expect(ask(client)).rejects.toThrow(Unreadable);
  });

  test.each(['gzip', 'deflate', 'br', 'zstd'])('by %s, and is not, cannot be read', async (encoding) => {
    const client = await asking(packed(encoding, Buffer.from('<no> such thing')));
    await expect(ask(client)).rejects.toThrow(Unreadable);
  });
});

test('[R16] informational answers before an answer are bounded, and so before a file', async () => {
  let early = 16;
  const client = await asking((_, response) => {
    for (let n = 0; n < early; n++) response.writeEarlyHints({ link: '</x>' });
    response.end('{}');
  });
  expect(await ask(client)).toEqual({ status: 200, json: {} });
  early = 17;
  await expect(ask(client)).rejects.toThrow(/\/prompt: TOO_MANY_INTERIM_ANSWERS/);
  await expect(client.open('/view')).rejects.toThrow(/\/view: TOO_MANY_INTERIM_ANSWERS/);
});

test('[R16] an answer of more values than there may be cannot be read, which is no outage', async () => {
  const client = await asking((_, response) => void response.end(`[${'1,'.repeat(bounds.answerValues)}1]`), 8 << 20);
  await expect(ask(client)).rejects.toThrow(Unreadable);
});

test('[R15] reading large answers of one server has a tenth of the time, once a second of it was used', () => {
  let now = 0;
  // Each look at the clock is a second after the last, so that each reading takes as long.
  const read = sparingReader(() => (now += 1_000));
  const large = `["${'x'.repeat(200_000)}"]`;
  expect([read(large), read(large)]).toEqual([[expect.any(String)], [expect.any(String)]]);
  expect(() => read(large)).toThrow(Unread);
  // Nor is a refusal that was not read one for good.
  for (const status of [200, 400])
    expect(() => readAnswer(status, 'application/json', large, undefined, read)).toThrow(Unread);
  expect(read('[1]')).toEqual([1]);
  now += 20_000;
  expect(read(large)).toHaveLength(1);
});

test('[R15] who asks for a file that is not there does not wait for the end of the answer', async () => {
  const client = await asking((_, response) => void response.writeHead(404).write('no'));
  const file = { filename: 'a.png', subfolder: '', type: 'output' };
  expect(await view(client.open)(file)).toBeUndefined();
  expect(await view(client.open)(file, 'bytes=0-1')).toBeUndefined();
});

describe('[R10] a server that is asked too often', () => {
  const refusing = async (status: number, retryAfter: string | undefined) => {
    let asked = 0;
    const client = await asking((_request, response) => {
      asked += 1;
      const isFirst = asked === 1;
      response.statusCode = isFirst ? status : 200;
      if (isFirst && retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      response.end(isFirst ? 'slow down' : '{}');
    });
    await expect(ask(client)).rejects.toThrow(`status ${status}`);
    return { client, asked: () => asked };
  };
  const passes = (ms: number): void => {
    clock.schedule(() => undefined, ms);
    clock.flush();
  };

  test.each([
    ['seconds', () => '20', 20_000],
    ['a date', () => new Date(clock.now() + 20_000).toUTCString(), 19_000],
    ['an hour, for half a minute', () => '3600', 30_000],
  ])('is not asked before the time that it names: %s', async (_what, after, ms) => {
    const { client, asked } = await refusing(429, after());
    for (let n = 0; n < 10; n += 1) await expect(ask(client)).rejects.toThrow(NotAsked);
    passes(ms - 1_000);
    await expect(ask(client)).rejects.toThrow(/left alone/);
    expect(asked()).toBe(1);
    passes(2_000);
    expect((await ask(client)).status).toBe(200);
  });

  test.each([
    [429, undefined],
    [429, 'soon'],
    [429, '0'],
    [429, 'Thu, 01 Jan 1960 00:00:00 GMT'],
    [503, '20'],
  ])('but where it names none may be asked again: %d, %s', async (status, after) => {
    const { client } = await refusing(status, after);
    expect((await ask(client)).status).toBe(200);
  });
});
