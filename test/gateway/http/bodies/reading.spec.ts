import { once } from 'node:events';
import { createServer, request as sendTo, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Subject, throwError } from 'rxjs';
import { allOf, chunksOf, type Reading } from '../../../../gateway/http/bodies/reading';
import { Problem } from '../../../../gateway/wire/problem';

let server: Server;
let reading: Partial<Reading> = {};
let outcome: Promise<string> = Promise.resolve('');
let take: (request: IncomingMessage) => Promise<string>;

const MOST = 100_000;
const told = (request: IncomingMessage): Promise<string> =>
  allOf(request, { mostBytes: MOST, weigh: () => Promise.resolve(), ...reading }).then(
    (chunks) => Buffer.concat(chunks).toString(),
    (error: unknown) => (error instanceof Problem ? error.kind : String(error)),
  );

beforeAll(async () => {
  server = createServer((request, response) => {
    outcome = take(request);
    void outcome.then((text) => response.end(text));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});
beforeEach(() => {
  reading = {};
  take = told;
});

const sending = (headers: Readonly<Record<string, string | number>> = {}): ClientRequest =>
  sendTo({ port: (server.address() as AddressInfo).port, method: 'POST', headers }).on('error', () => undefined);
async function answerTo(sent: ClientRequest): Promise<string> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return text;
}
const answered = (body: Buffer | string, headers = {}): Promise<string> => answerTo(sending(headers).end(body));

const long = 'ä'.repeat(40_000);
test.each([
  ['told its length', Buffer.from(long), {}],
  ['in pieces of unknown length', Buffer.from(long), { 'Transfer-Encoding': 'chunked' }],
  ['packed by gzip', gzipSync(long), { 'Content-Encoding': 'gzip' }],
  ['packed by deflate', deflateSync(long), { 'Content-Encoding': 'deflate' }],
  ['packed by br', brotliCompressSync(long), { 'Content-Encoding': 'br' }],
])('a body is read whole: %s', async (_how, body, headers) => expect(await answered(body, headers)).toBe(long));

test('none is an empty one', async () => expect(await answered('')).toBe(''));

test.each([
  ['as its length says', 'x'.repeat(MOST + 1), {}],
  ['of unknown length', 'x'.repeat(MOST + 1), { 'Transfer-Encoding': 'chunked' }],
  ['only when unpacked', gzipSync('x'.repeat(MOST + 1)), { 'Content-Encoding': 'gzip' }],
])('[R16] one that is too large is refused: %s', async (_how, body, headers) =>
  expect(await answered(body, headers)).toBe('body-too-large'),
);

test.each([
  ['not packed as it says', 'x', { 'Content-Encoding': 'gzip' }, 'bad-request'],
  ['packed in part', gzipSync(long).subarray(0, 50), { 'Content-Encoding': 'gzip' }, 'bad-request'],
  ['packed in a way nobody knows', 'x', { 'Content-Encoding': 'zstd' }, 'unsupported-media-type'],
  ['packed as every object is', 'x', { 'Content-Encoding': 'constructor' }, 'unsupported-media-type'],
])('one that is %s is refused', async (_how, body, headers, kind) => expect(await answered(body, headers)).toBe(kind));

test('[R16] a sender who falls silent is cut', async () => {
  reading = { stallMs: 100 };
  const sent = sending({ 'Content-Length': 100 });
  sent.write('x');
  expect(await answerTo(sent)).toBe('body-too-slow');
  sent.destroy();
});

test('[R16] a sender who drips is cut', async () => {
  reading = { stallMs: 150 };
  const sent = sending({ 'Content-Length': 1000 });
  const drip = setInterval(() => sent.write('x'), 20);
  expect(await answerTo(sent)).toBe('body-too-slow');
  clearInterval(drip);
  sent.destroy();
});

test('[R16] a sender who drips the end of a body is cut, whatever came at once before', async () => {
  reading = { stallMs: 150, mostBytes: 32 << 20 };
  const sent = sending({ 'Content-Length': 32 << 20 });
  sent.write(Buffer.alloc((32 << 20) - 1_000_000));
  const drip = setInterval(() => sent.write('x'), 20);
  expect(await answerTo(sent)).toBe('body-too-slow');
  clearInterval(drip);
  sent.destroy();
});

test('a body that is given up is read no further, though nothing comes', async () => {
  reading = { until$: throwError(() => new Problem('busy')) };
  const sent = sending({ 'Content-Length': 100 });
  sent.write('x');
  expect(await answerTo(sent)).toBe('busy');
  sent.destroy();
});

test('pieces that were read are kept by nobody, though the body may still be given up', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const gaveWay$ = new Subject<never>();
  take = async (request) => {
    const pieces: WeakRef<Buffer>[] = [];
    const how = { mostBytes: 1 << 20, weigh: () => Promise.resolve(), until$: gaveWay$ };
    for await (const piece of chunksOf(request, how)) pieces.push(new WeakRef(piece));
    await setImmediate();
    collect();
    return `${pieces.length > 8} ${pieces.filter((piece) => piece.deref() !== undefined).length < 4}`;
  };
  expect(await answered(Buffer.alloc(1 << 20))).toBe('true true');
  expect(gaveWay$.observed).toBe(false);
});

test.each([
  ['as it is', {}],
  ['packed', { 'Content-Encoding': 'gzip' }],
])('a sender who leaves ends the reading: %s', async (_how, headers) => {
  const sent = sending({ 'Content-Length': 100, ...headers });
  const arrived = once(server, 'request');
  sent.write(gzipSync('x').subarray(0, 5));
  await arrived;
  sent.destroy();
  expect(await outcome).toBe('bad-request');
});

test('each piece is weighed, and one that is too heavy for now ends it', async () => {
  let weight = 0;
  reading = {
    weigh: (bytes) => {
      weight += bytes;
      return weight > 50_000 ? Promise.reject(new Problem('too-many-requests')) : Promise.resolve();
    },
  };
  expect(await answered('x'.repeat(40_000))).toBe('x'.repeat(40_000));
  expect(weight).toBe(40_000);
  expect(await answered('x'.repeat(40_000))).toBe('too-many-requests');
});
