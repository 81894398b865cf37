import { describe as describeOutput } from '../../../../gateway/http/outputs/headers';
import { isFile, type FileOutput, type JobState } from '../../../../streams/job/job-state';
import { steps, training } from '../../../support/comfyui/workflows';
import { asking } from '../../support/http/asking';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

let gateway: RunningGateway;
let ask: ReturnType<typeof asking>;
let job: JobState;
let path: string;

const LIMIT = 20_000;
const logged: string[] = [];

beforeAll(async () => {
  gateway = await runningGateway({ outputLimitBytes: LIMIT, heard: (line) => logged.push(line) });
  ask = asking(gateway);
  const { promptId } = await gateway.pipeline.submit({ workflow: steps(), type: 'image_generation', userId: 'ada' });
  job = await settled(gateway.pipeline, promptId);
  path = `/jobs/${promptId}/outputs/0`;
});
afterEach(() => {
  Object.assign(gateway.comfy.faults, { status: undefined, bodyTruncate: false });
});
afterAll(() => gateway.close());

/** What a ComfyUI with a rogue extension, or a proxy, may answer. */
const answering = (body: string) => {
  gateway.comfy.faults.status = { httpStatus: 200, body, routes: ['/view', '/api/view'] };
};

test('an image comes as ComfyUI made it, to be shown and never to be run', async () => {
  const [{ filename, subfolder, type }] = job.outputs as [FileOutput];
  const made = await fetch(
    `${gateway.comfy.url}/view?${new URLSearchParams({ filename, subfolder, type }).toString()}`,
  );
  const passed = await fetch(gateway.url + path);
  expect(passed.status).toBe(200);
  expect(Buffer.from(await passed.arrayBuffer()).equals(Buffer.from(await made.arrayBuffer()))).toBe(true);
  expect(Object.fromEntries(passed.headers)).toMatchObject({
    'content-type': 'image/png',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'content-disposition': `inline; filename="${filename}"; filename*=UTF-8''${filename}`,
    'cache-control': 'private, max-age=3600',
  });
});

test('HEAD gives the head only', async () => {
  const head = await ask('HEAD', path);
  expect(head).toMatchObject({ status: 200, text: '', headers: { 'content-type': 'image/png' } });
});

test('a page in an output’s place is a file to save', async () => {
  answering('<script>alert(1)</script>');
  const { headers } = await ask('GET', path);
  expect(headers['content-type']).toBe('application/octet-stream');
  expect(headers['content-disposition']).toMatch(/^attachment; filename="/);
});

test('a file that is no media is a file to save', async () => {
  const { promptId } = await gateway.pipeline.submit({
    workflow: training({ steps: 2 }),
    type: 'lora_training',
    userId: 'ada',
  });
  const { outputs = [] } = await settled(gateway.pipeline, promptId);
  const n = outputs.findIndex((output) => isFile(output) && !/\.png$/.test(output.filename));
  if (n < 0) return;
  expect((await ask('GET', `/jobs/${promptId}/outputs/${n}`)).headers['content-disposition']).toMatch(/^attachment/);
});

test('over the limit nothing is passed', async () => {
  answering('x'.repeat(LIMIT + 1));
  logged.length = 0;
  expect(await ask('GET', path)).toMatchObject({
    status: 502,
    json: {
      type: 'urn:comfyui-jobstream:problem:output-too-large',
      detail: 'It has 20001 bytes, and the gateway passes 20000 at most; see MAX_OUTPUT_BYTES.',
    },
  });
  const told = logged.filter((line) => line.includes('MAX_OUTPUT_BYTES'));
  expect(told).toHaveLength(1);
  expect(told[0]).not.toContain('stack');
  answering('x'.repeat(LIMIT));
  expect((await ask('GET', path)).text).toHaveLength(LIMIT);
});

test('a body that breaks off breaks off here too', async () => {
  gateway.comfy.faults.bodyTruncate = true;
  await expect(ask('GET', path)).rejects.toThrow();
});

test('a ComfyUI that gives no answer is 502, to be tried again', async () => {
  gateway.comfy.faults.status = { httpStatus: 502, body: '<html>', routes: ['/view', '/api/view'] };
  expect(await ask('GET', path)).toMatchObject({
    status: 502,
    headers: { 'retry-after': '5' },
    json: { title: 'ComfyUI gave no usable answer' },
  });
});

test.each<[name: string, plain: string, extended: string]>([
  ['a "quoted"; name.png', 'a _quoted__ name.png', 'a%20%22quoted%22%3B%20name.png'],
  ['Ünï\r\nX-Evil: 1.png', '_n___X-Evil_ 1.png', '%C3%9Cn%C3%AF%0D%0AX-Evil%3A%201.png'],
  ['\u202egnp.exe', '_gnp.exe', '_gnp.exe'],
])('a file called %p has a name that is safe to send', (name, plain, extended) => {
  const response = { set: jest.fn() };
  describeOutput(response as never, { body: null as never, contentType: 'image/png', filename: name });
  expect(response.set).toHaveBeenCalledWith(
    expect.objectContaining({ 'Content-Disposition': `inline; filename="${plain}"; filename*=UTF-8''${extended}` }),
  );
});

test.each(['1', '99999999', '-1', '0.5', 'x', '00x'])('there is no output %s', async (n) => {
  expect(await ask('GET', path.replace(/0$/, n))).toMatchObject({
    status: 404,
    json: { title: 'The job has no such output' },
  });
});
