import { once } from 'node:events';
import { request as sendTo } from 'node:http';
import { connect } from 'node:net';
import { Piscina } from 'piscina';
import type { Workflow } from '../../../../pipeline/api';
import { canary } from '../../../support/jest/canary';
import { asking } from '../../support/http/asking';
import { eventually } from '../../../support/until';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';
import { testAuth, tokenOf } from '../../support/admission/tokens';

let gateway: RunningGateway;
let ada: string;
beforeAll(async () => {
  gateway = await runningGateway({ auth: testAuth });
  ada = await tokenOf({ sub: 'ada' });
});
afterAll(() => gateway.close());

/** Runs in the stand-in, with numbers that JavaScript cannot hold and order, spaces and fields that it would not keep. */
const workflow = `{ "9":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"x"},"is_changed":[18446744073709551615]},
 "1":{"inputs":{"width":64,"height":64,"batch_size":1,"color":0,"seed":12345678901234567891,"cfg":1.0},"class_type":"EmptyImage","_meta":{"title":"\\u00e4"}}}`;
const post = (body: string, more: { token?: string; headers?: Record<string, string> } = {}) =>
  asking(gateway)('POST', '/jobs', { body, token: ada, ...more });
const posted = () => gateway.comfy.posted.at(-1)!;

test.each([
  ['an object in the body', workflow],
  ['JSON text in the body', JSON.stringify(workflow)],
])('[R18] a workflow reaches ComfyUI byte for byte: as %s', async (_how, json) => {
  const answer = await post(`{"type":"face_swap","workflow":${json}}`);
  expect(answer).toMatchObject({ status: 202, json: { userId: 'ada' } });
  expect(posted()).toContain(`"prompt":${workflow},`);
  expect(await settled(gateway.pipeline, String(answer.json['promptId']))).toMatchObject({ status: 'completed' });
});

test('[R18] in-process, a `bigint` is the integer that it is', async () => {
  const inputs = { width: 64, height: 64, batch_size: 1, color: 0, seed: 18446744073709551615n };
  const { promptId } = await gateway.pipeline.submit({
    type: 'face_swap',
    userId: 'ada',
    workflow: {
      '1': { class_type: 'EmptyImage', inputs },
      '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
    } satisfies Workflow,
  });
  expect(posted()).toContain('"seed":18446744073709551615}');
  await settled(gateway.pipeline, promptId);
});

test('[R18] under one key, another digit is another body', async () => {
  const headers = { 'Idempotency-Key': 'digits' };
  const body = `{"type":"face_swap","workflow":${workflow}}`;
  const first = await post(body, { headers });
  expect([200, 202]).toContain(first.status);
  expect((await post(body.replace('567891', '567890'), { headers })).status).toBe(422);
  expect((await post(body, { headers })).json['promptId']).toBe(first.json['promptId']);
  await settled(gateway.pipeline, String(first.json['promptId']));
});

test('a node called __proto__ is passed on like any other', async () => {
  const odd = workflow.replace('"9":', '"__proto__":');
  const answer = await post(`{"type":"face_swap","workflow":${odd}}`);
  expect(answer.status).toBe(202);
  expect(posted()).toContain(`"prompt":${odd},`);
});

test('[R13, R18] extra data reaches ComfyUI, and nobody else hears of it', async () => {
  const key = canary('extra-data-key');
  const extra = `{"api_key_comfy_org":"${key}", "n":12345678901234567891}`;
  const rest = '"front":true,"number":-2.5,"partialExecutionTargets":["9"]';
  const body = (more: string) => `{"type":"face_swap","workflow":${workflow},"extraData":${extra},${rest}${more}}`;
  const answer = await post(body(''));
  expect(answer.status).toBe(202);
  expect(posted()).toContain(`"extra_data":{${extra.slice(1, -1)},"jobstream_prompt_id":`);
  expect(posted()).toContain('"front":true,"number":-2.5,"partial_execution_targets":["9"]');
  // `asking` and the gateway's log look for it themselves.
  await asking(gateway)('GET', '/jobs', { token: ada });
  await asking(gateway)('GET', `/jobs/${String(answer.json['promptId'])}/events`, { token: ada });
  const end = await settled(gateway.pipeline, String(answer.json['promptId']));
  expect(JSON.stringify(end)).not.toContain(key);
  for (const bad of [body(',"nope":1'), body('').replace('face_swap', ''), body('').slice(0, -1)])
    expect((await post(bad)).status).toBe(400);
});

test('a large body is no obstacle to others: who asks while it is read is answered first', async () => {
  const nodes = Array.from({ length: 200_000 }, (_, n) => `"${n}":{"class_type":"X","inputs":{}}`).join(',');
  const order: string[] = [];
  // What comes of it is held back until that other was answered, which a gateway that reads it itself could not do.
  let answered = (): void => undefined;
  const other = new Promise<void>((resolve) => (answered = resolve));
  type Run = (this: Piscina, ...given: Parameters<Piscina['run']>) => Promise<unknown>;
  const run = Reflect.get(Piscina.prototype, 'run') as Run;
  jest.spyOn(Piscina.prototype, 'run').mockImplementationOnce(function (this: Piscina, ...given) {
    return run.apply(this, given).finally(() => other) as Promise<never>;
  });
  const large = sendTo(`${gateway.url}/jobs`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ada}`, 'Content-Type': 'application/json' },
  });
  const refused = once(large, 'response').then(([answer]) => {
    order.push('refused');
    (answer as NodeJS.ReadableStream).resume();
    return (answer as { statusCode: number }).statusCode;
  });
  await new Promise<void>((sent) => large.end(`{"type":"x","workflow":{${nodes}}}`, () => sent()));
  await fetch(`${gateway.url}/livez`);
  order.push('alive');
  answered();
  expect(await refused).toBe(400);
  expect(order).toEqual(['alive', 'refused']);
});

test('[R16] a body is not read before its sender is known', async () => {
  const { host, port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.write(
    `POST /jobs HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{`,
  );
  await eventually(() => expect(heard).toMatch(/^HTTP\/1\.1 401 /));
  socket.destroy();
});

test('[R16] bytes count: a user who sends too many is told to wait, another user is not', async () => {
  const small = await runningGateway({ auth: testAuth, rates: { bytesPerMinute: 100_000 } });
  const ask = asking(small);
  const body = `{"type":"face_swap","workflow":{"1":{"class_type":"X","inputs":{"text":"${'x'.repeat(60_000)}"}}},"no":1}`;
  expect((await ask('POST', '/jobs', { body, token: ada })).status).toBe(400);
  const refused = await ask('POST', '/jobs', { body, token: ada });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await ask('POST', '/jobs', { body, token: await tokenOf({ sub: 'bob' }) })).status).toBe(400);
  await small.close();
});

test('[R16] the largest body is a setting, and its refusal says so', async () => {
  const small = await runningGateway({ bodyLimitBytes: 1000 });
  const refused = await asking(small)('POST', '/jobs', { body: { x: 'x'.repeat(1000) } });
  expect(refused).toMatchObject({ status: 413, json: { detail: 'A body may have 1000 bytes, unpacked.' } });
  await small.close();
});
