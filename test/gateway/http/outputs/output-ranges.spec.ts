import { concat, lastValueFrom } from 'rxjs';
import { request } from 'undici';
import type { FileOutput, JobState } from '../../../../streams/job/job-state';
import type { Viewing } from '../../../support/comfyui/http/file-response';
import { steps } from '../../../support/comfyui/workflows';
import { aState } from '../../../sinks/a-state';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

let gateway: RunningGateway;
let job: JobState;
let url: string;

const SIZE = 300_000;
/** No two places of it look alike. */
const FILE = Buffer.from(Uint32Array.from({ length: SIZE / 4 }, (_, n) => n * 2_654_435_761).buffer);

beforeAll(async () => {
  gateway = await runningGateway();
  const { promptId } = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  job = await settled(gateway.pipeline, promptId);
  url = `${gateway.url}/jobs/${promptId}/outputs/0`;
  gateway.comfy.replaceFile(job.outputs![0] as FileOutput, FILE, 'video/webm');
});
afterEach(() => void (gateway.comfy.faults.viewing = 'aiohttp'));
afterAll(() => gateway.close());

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bytes: Buffer;
}

async function get(headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET'): Promise<Got> {
  const answer = await request(url, { method, headers });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    bytes: Buffer.from(await answer.body.arrayBuffer()),
  };
}
const isFile = ({ bytes }: Got, first = 0, end = SIZE): boolean => bytes.equals(FILE.subarray(first, end));

describe.each<Viewing>(['aiohttp', 'without ranges', 'without validators'])('a ComfyUI that answers %s', (viewing) => {
  beforeEach(() => void (gateway.comfy.faults.viewing = viewing));

  test('the whole says that parts can be had', async () => {
    const whole = await get();
    expect(whole).toMatchObject({
      status: 200,
      headers: { 'accept-ranges': 'bytes', 'content-length': `${SIZE}`, 'content-type': 'video/webm' },
    });
    expect(whole.headers['etag']).toMatch(/^(W\/)?"[^"]+"$/);
    expect(isFile(whole)).toBe(true);
  });

  test.each<[range: string, first: number, last: number]>([
    ['bytes=0-0', 0, 0],
    ['bytes=0-', 0, SIZE - 1],
    ['bytes=100000-199999', 100_000, 199_999],
    ['bytes=299999-', SIZE - 1, SIZE - 1],
    ['bytes=-5', SIZE - 5, SIZE - 1],
    ['bytes=-999999999', 0, SIZE - 1],
    ['bytes=200000-999999999', 200_000, SIZE - 1],
    ['bytes=0-99, 100-199', 0, 199],
  ])('%s', async (range, first, last) => {
    const part = await get({ range });
    expect(part).toMatchObject({
      status: 206,
      headers: { 'content-range': `bytes ${first}-${last}/${SIZE}`, 'content-length': `${last + 1 - first}` },
    });
    expect(isFile(part, first, last + 1)).toBe(true);
  });

  test.each(['bytes=300000-', 'bytes=999999999-999999999', 'bytes=-0'])('%s is beyond its end', async (range) => {
    const answer = await get({ range });
    expect(answer).toMatchObject({
      status: 416,
      headers: {
        'content-range': `bytes */${SIZE}`,
        'content-type': 'application/problem+json; charset=utf-8',
        'cache-control': 'private, no-cache',
      },
    });
    // They are the file's, and this is none.
    for (const name of ['etag', 'last-modified', 'content-disposition'])
      expect(answer.headers).not.toHaveProperty(name);
  });

  test.each(['bytes=0-9,100-109', 'bytes=5-4', 'bytes=', 'bytes=a-b', 'lines=0-5', 'bytes', 'bytes=1-2x'])(
    '%s gets the whole',
    async (range) => {
      const whole = await get({ range });
      expect(whole.status).toBe(200);
      expect(whole.headers).not.toHaveProperty('content-range');
      expect(isFile(whole)).toBe(true);
    },
  );

  test('what is known already is not sent again', async () => {
    const { etag } = (await get()).headers as { etag: string };
    const known = await get({ 'if-none-match': `"other", ${etag}` });
    expect(known).toMatchObject({ status: 304, headers: { etag }, bytes: Buffer.alloc(0) });
    expect(await get({ 'if-none-match': etag, range: 'bytes=0-9' })).toMatchObject({ status: 304 });
    expect(await get({ 'if-none-match': '"other"' })).toMatchObject({ status: 200 });
  });

  test('a part of another file than the one begun with is none: the whole comes', async () => {
    expect(await get({ range: 'bytes=5-9', 'if-range': '"another"' })).toMatchObject({ status: 200 });
    expect(await get({ range: 'bytes=5-9', 'if-range': 'Thu, 01 Jan 1970 00:00:00 GMT' })).toMatchObject({
      status: 200,
    });
    // A weak tag proves nothing.
    expect(await get({ range: 'bytes=5-9', 'if-range': `W/"x"` })).toMatchObject({ status: 200 });
  });

  test('HEAD tells of the whole', async () => {
    expect(await get({ range: 'bytes=0-9' }, 'HEAD')).toMatchObject({
      status: 200,
      headers: { 'content-length': `${SIZE}`, 'accept-ranges': 'bytes' },
      bytes: Buffer.alloc(0),
    });
  });
});

test.each<Viewing>(['aiohttp', 'without ranges'])(
  '%s: reading goes on where it was, in the same file',
  async (viewing) => {
    gateway.comfy.faults.viewing = viewing;
    const { etag, 'last-modified': modified } = (await get()).headers as Record<string, string>;
    for (const condition of [etag!, modified!]) {
      const rest = await get({ range: 'bytes=250000-', 'if-range': condition });
      expect(rest).toMatchObject({ status: 206, headers: { 'content-range': `bytes 250000-299999/${SIZE}` } });
      expect(isFile(rest, 250_000)).toBe(true);
    }
    expect(await get({ 'if-modified-since': modified! })).toMatchObject({ status: 304 });
  },
);

test('a part is asked of ComfyUI, not the whole for a part', async () => {
  const before = gateway.comfy.requests.length;
  await get({ range: 'bytes=10-19' });
  expect(gateway.comfy.requests.slice(before)).toMatchObject([{ status: 206 }]);
});

test('what was compressed on the way comes unpacked', async () => {
  gateway.comfy.faults.viewing = 'compressed';
  for (const range of ['', 'bytes=0-9']) {
    const whole = await get(range === '' ? {} : { range });
    expect(whole.status).toBe(200);
    expect(whole.headers).not.toHaveProperty('content-encoding');
    expect(whole.headers['etag']).toMatch(/^W\//);
    expect(isFile(whole)).toBe(true);
  }
});

test('what was compressed in a way that nobody knows is no answer', async () => {
  gateway.comfy.faults.viewing = 'oddly compressed';
  expect(await get()).toMatchObject({ status: 502 });
});

test('of a file of unknown size the whole comes', async () => {
  gateway.comfy.faults.viewing = 'without length';
  const whole = await get({ range: 'bytes=0-9' });
  expect(whole.status).toBe(200);
  expect(isFile(whole)).toBe(true);
});

describe('what no ComfyUI keeps', () => {
  const PICTURE = FILE.subarray(0, 5_000);
  const TEXT = 'a cat, ünlike any other';

  beforeAll(async () => {
    const state = aState({
      promptId: 'kept',
      status: 'completed',
      phase: 'settled',
      outputs: [
        { nodeId: '1', kind: 'images', filename: 'a.png', subfolder: '', type: 'websocket' },
        { nodeId: '2', kind: 'text', text: TEXT },
      ],
    });
    await lastValueFrom(
      concat(
        gateway.store.put(state),
        gateway.store.keepFile('kept', 'a.png', { mimeType: 'image/png', bytes: PICTURE }),
      ),
    );
  });
  const of = async (n: number, headers: Record<string, string> = {}) => {
    const answer = await request(`${gateway.url}/jobs/kept/outputs/${n}`, { headers });
    return { status: answer.statusCode, headers: answer.headers, bytes: Buffer.from(await answer.body.arrayBuffer()) };
  };

  test('a picture that came over the socket, whole and in parts', async () => {
    const whole = await of(0);
    expect(whole).toMatchObject({ status: 200, headers: { 'content-type': 'image/png', 'accept-ranges': 'bytes' } });
    expect(whole.bytes.equals(PICTURE)).toBe(true);
    const etag = String(whole.headers['etag']);
    const part = await of(0, { range: 'bytes=100-199', 'if-range': etag });
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 100-199/5000' } });
    expect(part.bytes.equals(PICTURE.subarray(100, 200))).toBe(true);
    expect((await of(0, { 'if-none-match': etag })).status).toBe(304);
  });

  test('a text, as such', async () => {
    const whole = await of(1);
    expect(whole).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    });
    expect(whole.bytes.toString()).toBe(TEXT);
    expect((await of(1, { range: 'bytes=0-4' })).bytes.toString()).toBe('a cat');
  });
});
