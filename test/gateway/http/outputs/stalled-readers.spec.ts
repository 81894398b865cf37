import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { rest } from '../../../../sources/rest/rest';
import { serverAddress } from '../../../../sources/server-address';
import type { FileOutput, JobState } from '../../../../streams/job/job-state';
import { steps } from '../../../support/comfyui/workflows';
import { eventually } from '../../../support/until';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';

/** More than the buffers of a connection hold. */
const LARGE = Buffer.alloc(48 << 20, 'x');

/** Waits for its turn as the whole does, and takes no time. */
const part = { headers: { Range: 'bytes=0-9' } };

const readers = new Set<Socket>();
let gateway: RunningGateway;
afterEach(async () => {
  readers.forEach((reader) => reader.destroy());
  readers.clear();
  await gateway.close();
});

async function largeOutput(): Promise<string> {
  const job = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  const { promptId, outputs }: JobState = await settled(gateway.pipeline, job.promptId);
  gateway.comfy.replaceFile(outputs![0] as FileOutput, LARGE, 'video/mp4');
  return `/jobs/${promptId}/outputs/0`;
}

/** Begins to read, and stops. Its connection tells when it is cut. */
async function stalled(path: string, token?: string): Promise<Socket> {
  const { hostname, port, host } = new URL(gateway.url);
  const reader = connect(Number(port), hostname);
  readers.add(reader);
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  reader.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${authorization}\r\n`);
  await once(reader, 'readable');
  reader.on('error', () => undefined);
  return reader;
}

const openAtComfyUI = () => gateway.comfy.requests.filter(({ path }) => path.startsWith('/view')).length;

test('a reader that reads nothing is cut, which gives its turn to the next', async () => {
  gateway = await runningGateway({
    auth: testAuth,
    limits: { stallMs: 400 },
    downloads: { perUser: 1, turnMs: 30_000, stallBesideOthersMs: 60_000 },
  });
  const path = await largeOutput();
  const ada = await tokenOf({ sub: 'ada' });
  const reader = await stalled(path, ada);
  expect((await asking(gateway)('GET', path, { token: ada, ...part })).status).toBe(206);
  // Its connection is closed, or reset: `once` of Node rejects for an error.
  const closed = new Promise((resolve) => reader.once('close', resolve));
  reader.resume();
  await closed;
  expect(reader.bytesRead).toBeLessThan(LARGE.length);
});

test('a reader that is slow, but reads, gets it all', async () => {
  gateway = await runningGateway({ limits: { stallMs: 4_000 } });
  const path = await largeOutput();
  const answer = await fetch(gateway.url + path);
  let bytes = 0;
  for await (const chunk of answer.body!) {
    bytes += (chunk as Uint8Array).length;
    if (bytes % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(bytes).toBe(LARGE.length);
});

test('readers that stall hold up neither other downloads nor questions to their ComfyUI, nor other users', async () => {
  gateway = await runningGateway({ auth: testAuth });
  const path = await largeOutput();
  const [ada, service] = [await tokenOf({ sub: 'ada' }), await tokenOf({ role: 'service' })];
  await Promise.all(Array.from({ length: 16 }, () => stalled(path, ada)));
  await Promise.all(Array.from({ length: 48 }, () => stalled(path, service)));
  expect(openAtComfyUI()).toBe(64);
  const ask = asking(gateway);
  expect(await ask('GET', path, { token: ada, ...part })).toMatchObject({ status: 206, text: 'x'.repeat(10) });
  expect(await ask('GET', path, { token: service, ...part })).toMatchObject({ status: 206 });
  const next = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'bob' });
  expect(await settled(gateway.pipeline, next.promptId)).toMatchObject({ status: 'completed' });
});

test('who waits too long for a turn is told to come back', async () => {
  gateway = await runningGateway({ auth: testAuth, downloads: { perUser: 1, turnMs: 300 } });
  const path = await largeOutput();
  const [ada, bob] = [await tokenOf({ sub: 'ada' }), await tokenOf({ role: 'service' })];
  await stalled(path, ada);
  expect(await asking(gateway)('GET', path, { token: ada })).toMatchObject({
    status: 503,
    headers: { 'retry-after': '5' },
    json: { type: 'urn:comfyui-jobstream:problem:busy' },
  });
  expect((await asking(gateway)('GET', path, { token: bob, ...part })).status).toBe(206);
});

test('a turn ends with its reader', async () => {
  gateway = await runningGateway({ auth: testAuth, downloads: { perUser: 1 } });
  const path = await largeOutput();
  const ada = await tokenOf({ sub: 'ada' });
  for (const _ of [1, 2, 3]) (await stalled(path, ada)).destroy();
  expect((await asking(gateway)('GET', path, { token: ada, ...part })).status).toBe(206);
});

test('a ComfyUI that accepts and never answers is waited for only so long', async () => {
  gateway = await runningGateway();
  gateway.comfy.faults.hangRoutes = ['/view'];
  const client = rest(serverAddress(gateway.comfy.url), { timeoutMs: 300, maxBytes: 1 << 20, breakAfter: 5 });
  await expect(client.open('/view?filename=x')).rejects.toMatchObject({
    name: 'NoAnswer',
    message: '/view: timed out',
  });
  // A busy machine may take longer than that for an answer, too.
  await eventually(async () => expect(await firstValueFrom(client.get('/prompt'))).toMatchObject({ status: 200 }));
  await client.close();
});
