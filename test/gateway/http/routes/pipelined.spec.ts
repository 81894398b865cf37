import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { FileOutput } from '../../../../streams/job/job-state';
import { bounds } from '../../../../streams/bounds';
import { steps } from '../../../support/comfyui/workflows';
import { eventually } from '../../../support/until';
import { testAuth, tokenOf } from '../../support/admission/tokens';
import { asking } from '../../support/http/asking';
import { readEvents } from '../../support/http/event-reader';
import { runningGateway, type RunningGateway } from '../../support/running-gateway';
import { settled } from '../../support/settled';

/** More than the buffers of a connection hold. */
const LARGE = Buffer.alloc(48 << 20, 'x');

let gateway: RunningGateway;
let token: string;
let connections: Socket[];
beforeEach(async () => {
  connections = [];
  gateway = await runningGateway({
    auth: testAuth,
    downloads: { perUser: 2, turnMs: 1_000, stallBesideOthersMs: 200 },
  });
  token = await tokenOf({ sub: 'ada' });
});
afterEach(async () => {
  connections.forEach((connection) => connection.destroy());
  await gateway.close();
});

const submit = async (workflow = steps()): Promise<string> =>
  (await gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' })).promptId;
/** A job that goes on for as long as the test does. */
const live = async (): Promise<string> => {
  gateway.comfy.faults.mostSteps = 2;
  return submit(steps({ steps: 20 }));
};
const eventsOf = (promptId: string): string => `/jobs/${promptId}/events`;

/** Asks for all of these in one breath, over one connection; tells what came so far. */
function pipelined(paths: readonly string[]): { readonly connection: Socket; readonly text: () => string } {
  const { hostname, port, host } = new URL(gateway.url);
  const connection = connect(Number(port), hostname).on('error', () => undefined);
  connections.push(connection);
  let text = '';
  connection.setEncoding('utf8').on('data', (part: string) => (text += part.slice(0, 5_000)));
  const heads = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  connection.write(heads.join(''));
  return { connection, text: () => text };
}

test('a request behind another is answered once that is, as things are then', async () => {
  const promptId = await live();
  const { text } = pipelined([eventsOf(promptId), `/jobs/${promptId}`, '/me']);
  await eventually(() => expect(text()).toContain('"status":"processing"'));
  expect(text()).not.toContain('application/json');
  gateway.comfy.faults.mostSteps = Infinity;
  await eventually(() => expect(text()).toContain('"user":"ada"'));
  const answers = text().split('HTTP/1.1 200 OK').slice(1);
  expect(answers).toHaveLength(3);
  expect(answers[0]).toContain('"status":"completed"');
  expect(answers[1]).toContain('"status":"completed"');
});

test('an event stream behind another is nobody’s once its connection is gone', async () => {
  const promptId = await live();
  const { connection, text } = pipelined(Array.from({ length: 10 }, () => eventsOf(promptId)));
  await eventually(() => expect(text()).toContain('"status":"processing"'));
  connection.destroy();
  const opened = () => Promise.all(Array.from({ length: 64 }, () => readEvents(gateway, promptId, bearer())));
  await eventually(async () => {
    const readers = await opened();
    const statuses = readers.map(({ status }) => status);
    readers.forEach((reader) => reader.abort());
    await Promise.all(readers.map((reader) => reader.end));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});
const bearer = () => ({ Authorization: `Bearer ${token}` });

test('a download behind an event stream takes no turn from others before it is its own, nor after its connection is gone', async () => {
  const done = await submit();
  const { outputs } = await settled(gateway.pipeline, done);
  gateway.comfy.replaceFile(outputs![0] as FileOutput, LARGE, 'video/mp4');
  const output = `/jobs/${done}/outputs/0`;
  const promptId = await live();
  const { connection, text } = pipelined([eventsOf(promptId), output, output]);
  await eventually(() => expect(text()).toContain('"status":"processing"'));
  const range = { token, headers: { Range: 'bytes=0-9' } };
  expect((await asking(gateway)('GET', output, range)).status).toBe(206);
  connection.destroy();
  expect((await asking(gateway)('GET', output, range)).status).toBe(206);
});

test('[R16] so many wait at most; what comes beyond is refused in its turn', async () => {
  const promptId = await live();
  const { text } = pipelined([eventsOf(promptId), ...Array.from({ length: bounds.pipelined + 2 }, () => '/me')]);
  await eventually(() => expect(text()).toContain('"status":"processing"'));
  gateway.comfy.faults.mostSteps = Infinity;
  await eventually(() => expect(text().match(/HTTP\/1\.1 429/g)).toHaveLength(2));
  expect(text().match(/HTTP\/1\.1 200/g)).toHaveLength(1 + bounds.pipelined);
});

test('[R16] a connection on which far too many wait is cut', async () => {
  const promptId = await live();
  const { connection } = pipelined([eventsOf(promptId), ...Array.from({ length: 2 * bounds.pipelined }, () => '/me')]);
  await once(connection, 'close');
  expect((await asking(gateway)('GET', '/me', { token })).status).toBe(200);
});
