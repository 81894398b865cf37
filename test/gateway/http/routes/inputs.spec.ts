import { randomBytes } from 'node:crypto';
import { request as sendTo } from 'node:http';
import { png } from '../../../support/comfyui/nodes/png';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { asking } from '../../support/http/asking';

const LIMIT = 1 << 20;
let gateway: RunningGateway;
let ada: string, service: string;

beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth, inputLimitBytes: LIMIT });
  [ada, service] = await Promise.all([tokenOf({ sub: 'ada' }), tokenOf({ role: 'service', sub: 'app' })]);
});
afterAll(() => gateway.close());

const picture = (color = 0x336699): Buffer => png(8, 8, color);
const bearer = (token = ada) => ({ Authorization: `Bearer ${token}` });
interface Sent {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}
async function send(
  query: string,
  body: string | Uint8Array | FormData,
  token?: string,
  headers: Record<string, string> = {},
): Promise<Sent> {
  const answer = await fetch(`${gateway.url}/inputs${query}`, {
    method: 'POST',
    body,
    headers: { ...bearer(token), ...headers },
  });
  return { status: answer.status, json: (await answer.json()) as Sent['json'] };
}
const bytes = (buffer: Buffer) => new Uint8Array(buffer);
const formOf = (name: string, file: Buffer, fields: Readonly<Record<string, string>> = {}): FormData => {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  form.append('image', new Blob([bytes(file)]), name);
  return form;
};
const stored = async (name: string, subfolder = ''): Promise<Buffer> => {
  const query = new URLSearchParams({ filename: name, subfolder, type: 'input' }).toString();
  return Buffer.from(await (await fetch(`${gateway.comfy.url}/view?${query}`)).arrayBuffer());
};
const fields = ({ json }: Sent) => (json['errors'] as { field: string }[]).map(({ field }) => field);

test('a file as the body is at ComfyUI byte for byte, and the answer’s name runs in a workflow', async () => {
  const file = Buffer.concat([picture(), randomBytes(300_000)]);
  const sent = await send('?filename=a%20fine%20picture.png', bytes(file));
  expect(sent).toEqual({
    status: 201,
    json: { name: 'a fine picture.png', subfolder: '', type: 'input', server: 'server-1' },
  });
  expect((await stored('a fine picture.png')).equals(file)).toBe(true);
  const workflow = {
    '1': { class_type: 'LoadImage', inputs: { image: sent.json['name'] } },
    '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  };
  const posted = await asking(gateway)('POST', '/jobs', {
    token: service,
    body: { type: 'face_swap', userId: 'ada', workflow, server: sent.json['server'] },
  });
  expect(posted.status).toBe(202);
  expect(await settled(gateway.pipeline, String(posted.json['promptId']))).toMatchObject({ status: 'completed' });
});

test('a form as ComfyUI’s own page sends it; a subfolder is part of the name that nodes take', async () => {
  const file = picture(1);
  const sent = await send('', formOf('größer.png', file, { type: 'input', subfolder: 'ada/today' }));
  expect(sent).toMatchObject({ status: 201, json: { name: 'ada/today/größer.png', subfolder: 'ada/today' } });
  expect((await stored('größer.png', 'ada/today')).equals(file)).toBe(true);
});

test('another file of the same name gets a number; only services overwrite', async () => {
  await send('?filename=same.png', bytes(picture(1)));
  expect((await send('?filename=same.png', bytes(picture(2)))).json['name']).toBe('same (1).png');
  expect((await send('?filename=same.png&overwrite=true', bytes(picture(3)))).status).toBe(403);
  expect((await stored('same.png')).equals(picture(1))).toBe(true);
  const over = await send('?filename=same.png&overwrite=true', bytes(picture(3)), service);
  expect(over).toMatchObject({ status: 201, json: { name: 'same.png' } });
  expect((await stored('same.png')).equals(picture(3))).toBe(true);
});

test('a mask goes to the image that it is of', async () => {
  await send('?filename=portrait.png', bytes(picture()));
  expect(await send('?filename=mask.png&maskOf=portrait.png', bytes(picture()))).toMatchObject({ status: 201 });
  expect(gateway.comfy.requests.at(-1)).toMatchObject({ path: '/upload/mask' });
  expect((await send('?filename=mask.png&maskOf=nothing.png', bytes(picture()))).status).toBe(422);
});

test.each([
  ['?filename=..%2Fa.png', 'filename'],
  ['?filename=%2Fetc%2Fa.png', 'filename'],
  ['?filename=a%5Cb.png', 'filename'],
  ['?filename=.hidden.png', 'filename'],
  ['?filename=a.html', 'filename'],
  ['?filename=a.png%20%5Boutput%5D', 'filename'],
  ['?filename=a%0Ab.png', 'filename'],
  [`?filename=${'a'.repeat(200)}.png`, 'filename'],
  ['', 'filename'],
  ['?filename=a.png&subfolder=..', 'subfolder'],
  ['?filename=a.png&subfolder=a%2F..%2Fb', 'subfolder'],
  ['?filename=a.png&subfolder=%2Fa', 'subfolder'],
  ['?filename=a.png&owerwrite=1', 'owerwrite'],
  ['?filename=a.png&overwrite=maybe', 'overwrite'],
  ['?filename=a.png&maskOf=..%2Fb.png', 'maskOf'],
  ['?filename=a.png&server=http://elsewhere:8188', 'server'],
])('[R13] POST /inputs%s is refused by name, and ComfyUI sees nothing of it', async (query, field) => {
  const before = gateway.comfy.requests.length;
  const sent = await send(query, bytes(picture()));
  expect([sent.status, fields(sent)]).toEqual([400, [field]]);
  expect(gateway.comfy.requests.slice(before).filter(({ path }) => path.startsWith('/upload'))).toEqual([]);
});

test('a path in a form’s file name is refused, not cut', async () => {
  const sent = await send('', formOf('../../x.png', picture()));
  expect([sent.status, fields(sent)]).toEqual([400, ['filename']]);
});

test.each([
  ['no picture', 'a.png', Buffer.from('<html><script>alert(1)</script>'.padEnd(100))],
  ['an SVG', 'a.png', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(100))],
  ['a picture called a sound', 'a.wav', picture()],
  ['a program', 'a.png', Buffer.from('MZ'.padEnd(100))],
  ['nothing', 'a.png', Buffer.alloc(0)],
])('%s is refused', async (_what, name, file) => {
  expect((await send(`?filename=${name}`, bytes(file))).status).toBe(415);
  expect((await send('', formOf(name, file))).status).toBe(415);
});

test.each([
  ['sound.wav', Buffer.from('RIFF\0\0\0\0WAVEfmt ')],
  ['sound.flac', Buffer.from('fLaC\0\0\0\0')],
  ['clip.mp4', Buffer.from('\0\0\0\x20ftypisom')],
  ['photo.jpg', Buffer.from('ffd8ffe000104a4649460001', 'hex')],
  ['photo.webp', Buffer.from('RIFF\0\0\0\0WEBPVP8 ')],
])('%s is taken', async (name, head) => {
  const file = Buffer.concat([head, Buffer.alloc(200)]);
  expect((await send(`?filename=${name}`, bytes(file))).status).toBe(201);
});

test('[R16] what is too large is 413, whether its length is told or not, and is not stored', async () => {
  const file = Buffer.concat([picture(), Buffer.alloc(LIMIT)]);
  expect((await send('?filename=large.png', bytes(file))).status).toBe(413);
  expect((await send('', formOf('large.png', file))).status).toBe(413);
  const untold = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < file.length; at += 65_536) controller.enqueue(bytes(file.subarray(at, at + 65_536)));
      controller.close();
    },
  });
  const answer = await fetch(`${gateway.url}/inputs?filename=large.png`, {
    method: 'POST',
    body: untold,
    headers: bearer(),
    duplex: 'half',
  });
  expect(answer.status).toBe(413);
  expect((await stored('large.png')).length).toBe(0);
});

test('[R18] a field that is given twice, too long, or one too many is refused, not dropped', async () => {
  const formWith = (...given: readonly (readonly [string, string])[]): FormData => {
    const form = new FormData();
    for (const [name, value] of given) form.append(name, value);
    form.append('image', new Blob([bytes(picture())]), 'twice.png');
    return form;
  };
  expect(fields(await send('', formWith(['subfolder', 'a'], ['subfolder', 'b'])))).toEqual(['subfolder']);
  expect(fields(await send('', formWith(['server', 'x'.repeat(1_500)])))).toEqual(['server']);
  const many = await send('', formWith(...Array.from({ length: 11 }, (_, n) => [`f${n}`, 'x'] as const)));
  expect(many).toMatchObject({ status: 400, json: { detail: 'A form may have 10 fields and a file.' } });
  expect((await stored('twice.png')).length).toBe(0);
});

test('broken forms: no file, a field after it, two files, an early end, other fields', async () => {
  const only = new FormData();
  only.append('subfolder', 'a');
  expect((await send('', only)).status).toBe(400);
  const late = formOf('a.png', picture());
  late.append('subfolder', 'b');
  expect(fields(await send('', late))).toEqual(['subfolder']);
  const two = formOf('a.png', picture());
  two.append('mask', new Blob([bytes(picture())]), 'b.png');
  expect(fields(await send('', two))).toEqual(['mask']);
  const type = { 'Content-Type': 'multipart/form-data; boundary=x' };
  const head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n';
  expect((await send('', head + picture().toString('latin1'), ada, type)).status).toBe(400);
  expect(fields(await send('', formOf('a.png', picture(), { owerwrite: '1' })))).toEqual(['owerwrite']);
  expect(fields(await send('', formOf('a.png', picture(), { type: 'output' })))).toEqual(['type']);
});

test('without a token nothing is read; a sender that leaves breaks nothing', async () => {
  const answer = await fetch(`${gateway.url}/inputs?filename=a.png`, { method: 'POST', body: bytes(picture()) });
  expect(answer.status).toBe(401);
  const leaving = sendTo(`${gateway.url}/inputs?filename=left.png`, {
    method: 'POST',
    headers: { ...bearer(), 'Content-Length': '500000' },
  });
  leaving.on('error', () => undefined);
  await new Promise<void>((resolve) =>
    leaving.write(Buffer.concat([picture(), Buffer.alloc(100_000)]), () => resolve()),
  );
  leaving.destroy();
  expect((await send('?filename=next.png', bytes(picture()))).status).toBe(201);
  expect((await stored('left.png')).length).toBe(0);
});

test('a ComfyUI that is away is 502, one that refuses is 422', async () => {
  gateway.comfy.faults.status = { httpStatus: 503, body: '' };
  expect((await send('?filename=a.png', bytes(picture()))).status).toBe(502);
  gateway.comfy.faults.status = { httpStatus: 413, body: '' };
  expect((await send('?filename=a.png', bytes(picture()))).status).toBe(422);
  gateway.comfy.faults.status = undefined;
});

test('in-process: `upload` takes any chunks, and rejects with what they throw', async () => {
  async function* chunks() {
    yield picture().subarray(0, 10);
    yield await Promise.resolve(picture().subarray(10));
  }
  const file = { filename: 'in "process".png', content: chunks() };
  expect(await gateway.pipeline.upload(file)).toMatchObject({ type: 'input', server: gateway.comfy.url });
  async function* broken() {
    yield await Promise.resolve(picture());
    throw new RangeError('of my own');
  }
  await expect(gateway.pipeline.upload({ filename: 'b.png', content: broken() })).rejects.toThrow('of my own');
});

test('[R16] bytes count: who sends more than his share a minute is asked to wait', async () => {
  const small = await runningGateway({ auth: testAuth, rates: { bytesPerMinute: 200_000 } });
  const there = { ...bearer(), 'Content-Type': 'application/octet-stream' };
  const put = (size: number) =>
    fetch(`${small.url}/inputs?filename=a.png`, {
      method: 'POST',
      body: bytes(Buffer.concat([picture(), Buffer.alloc(size)])),
      headers: there,
    });
  expect((await put(100_000)).status).toBe(201);
  const refused = await put(150_000);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await small.close();
});
