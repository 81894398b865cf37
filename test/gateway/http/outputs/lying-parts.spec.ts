import { once } from 'node:events';
import { connect } from 'node:net';
import { request } from 'undici';
import type { FileOutput } from '../../../../streams/job/job-state';
import type { Viewing } from '../../../support/comfyui/http/file-response';
import { steps } from '../../../support/comfyui/workflows';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

const FILE = Buffer.from(Array.from({ length: 1_000 }, (_, n) => n % 251));

let gateway: RunningGateway;
let path: string;
beforeAll(async () => {
  gateway = await runningGateway();
  const { promptId } = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  const job = await settled(gateway.pipeline, promptId);
  gateway.comfy.replaceFile(job.outputs![0] as FileOutput, FILE, 'video/webm');
  path = `/jobs/${promptId}/outputs/0`;
});
afterEach(() => void (gateway.comfy.faults.viewing = 'aiohttp'));
afterAll(() => gateway.close());

/** All that comes over a connection after the first head, where another request waits behind. */
async function afterTheHead(range: string): Promise<Buffer> {
  const { hostname, port, host } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nRange: ${range}\r\n\r\n`);
  socket.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(
    socket.on('error', () => undefined),
    'close',
  );
  const all = Buffer.concat(chunks);
  return all.subarray(all.indexOf('\r\n\r\n') + 4);
}

test.each<Viewing>(['a longer part', 'a shorter part'])(
  '%s than was told is no part, and the connection ends: nothing of it is taken for the next answer, nor that for it',
  async (viewing) => {
    expect((await afterTheHead('bytes=100-199')).subarray(100).toString()).toMatch(/^HTTP\/1\.1 200 /);
    gateway.comfy.faults.viewing = viewing;
    expect((await afterTheHead('bytes=100-199')).length).toBeLessThan(100);
  },
);

test.each<Viewing>(['another part', 'a part beyond the end', 'a part without end'])(
  'where %s comes than was asked for, it is cut out of the whole',
  async (viewing) => {
    gateway.comfy.faults.viewing = viewing;
    const { statusCode, headers, body } = await request(gateway.url + path, { headers: { range: 'bytes=100-199' } });
    expect(statusCode).toBe(206);
    expect(headers).toMatchObject({ 'content-range': 'bytes 100-199/1000', 'content-length': '100' });
    expect(Buffer.from(await body.arrayBuffer()).equals(FILE.subarray(100, 200))).toBe(true);
  },
);
