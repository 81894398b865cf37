import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { jobstream, type JobState, type Jobstream, type Status } from '../../../gateway/client';
import { tokenOf } from '../../gateway/support/admission/tokens';
import { asking } from '../../gateway/support/http/asking';
import { readEvents, type EventReader } from '../../gateway/support/http/event-reader';
import { steps } from '../../support/comfyui/workflows';
import { eventually } from '../../support/until';
import { holderOf, startDeployment, type Deployment } from './behind-nginx';

/** Strangers of an address may ask so often in a minute. */
const REQUESTS = 100;

let deployment: Deployment;
let token: string;
const clients: Jobstream[] = [];

beforeAll(async () => {
  deployment = await startDeployment({ REQUESTS_PER_MINUTE: `${REQUESTS}`, JOBS_PER_USER: '0', BASE_PATH: '/comfy' });
  token = await tokenOf({ sub: 'ada' });
});
afterEach(() => {
  clients.splice(0).forEach((client) => client.close());
  deployment.comfy.faults.mostSteps = Infinity;
});
afterAll(() => deployment.close());

const ask = (method: string, path: string, more: object = {}) => asking(deployment)(method, path, { token, ...more });

async function submitted(count = 40): Promise<string> {
  const workflow = steps({ steps: count, secondsPerStep: 0.02, previewEvery: 1 });
  const { status, json } = await ask('POST', '/jobs', { body: { workflow, type: 'image_generation' } });
  expect(status).toBe(202);
  return json['promptId'] as string;
}

/** What a PNG begins with. */
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Of a page at the gateway that stays, and of one at the gateway that dies. */
const JOURNEYS = ['connecting connected', 'connecting connected reconnecting connected'];

const inOrder = (numbers: readonly number[]) => expect(numbers).toEqual([...numbers].sort((a, b) => a - b));

/** What a page over Socket.IO sees of a job. */
function aPage(promptId: string) {
  const client = jobstream({ url: deployment.url, token });
  clients.push(client);
  const [states, statuses, images]: [JobState[], Status[], number[]] = [[], [], []];
  client.status$.subscribe((status) => statuses.push(status));
  client.previews(promptId).subscribe(({ image }) => images.push(image.length));
  client.watchJob(promptId).subscribe((state) => states.push(state));
  return { states, statuses, images, end: lastValueFrom(client.watchJob(promptId)) };
}

/** What a program over server-sent events sees: it opens the stream again where it broke, as EventSource does. */
function aStream(promptId: string) {
  const readers: EventReader[] = [];
  const ids = () => readers.flatMap((reader) => reader.ids);
  async function read(): Promise<void> {
    const lastId = ids().at(-1);
    const headers = { Authorization: `Bearer ${token}`, ...(lastId !== undefined && { 'Last-Event-ID': lastId }) };
    const reader = await readEvents(deployment, promptId, headers);
    readers.push(reader);
    if (!(await reader.end)) await read();
  }
  return { readers, ids, states: () => readers.flatMap(({ jobs }) => jobs), end: read() };
}

test('a gateway is killed: who watches sees a reconnection, no step back, previews again, and the end', async () => {
  const { comfy, gateways } = deployment;
  comfy.faults.mostSteps = 10;
  const promptId = await submitted(200);
  // As many sockets on each.
  const [pages, stream, other] = [[aPage(promptId), aPage(promptId)], aStream(promptId), aStream(promptId)];
  await eventually(() => {
    for (const { states } of pages) expect(states.at(-1)?.node?.value).toBe(10);
    for (const { states } of [stream, other]) expect(states().at(-1)?.node?.value).toBe(10);
  });
  const holder = (await holderOf(promptId, deployment))!;
  await holder.kill();

  const successor = gateways.find((gateway) => gateway !== holder)!;
  await eventually(async () => expect(await holderOf(promptId, deployment)).toBe(successor));
  // Its own, and the one under which the job was posted.
  await eventually(() => expect(comfy.sockets()).toBe(2));
  await eventually(() => pages.forEach(({ statuses }) => expect(statuses.at(-1)).toBe('connected')));
  const seen = pages.map(({ images }) => images.length);
  // Step by step: pages that are connected have yet to join the room.
  await eventually(() => {
    comfy.faults.mostSteps += 1;
    pages.forEach(({ images }, n) => expect(images.length).toBeGreaterThan(seen[n]!));
  });
  comfy.faults.mostSteps = Infinity;

  await Promise.all([...pages, stream, other].map(({ end }) => end));
  // The tests that follow need it too.
  await holder.start();
  for (const { end, states, statuses } of pages) {
    expect(await end).toMatchObject({ status: 'completed', progress: 100 });
    inOrder(states.map(({ progress }) => progress));
    expect(JOURNEYS).toContain(statuses.filter((status) => status !== 'idle').join(' '));
  }
  for (const { end, states, ids } of [stream, other]) {
    await end;
    expect(states().at(-1)).toMatchObject({ status: 'completed', progress: 100 });
    inOrder(states().map(({ progress }) => progress));
    expect(new Set(ids()).size).toBe(ids().length);
  }
  // One on the dead gateway had to come again, once.
  for (const { readers } of [stream, other]) expect([1, 2]).toContain(readers.length);
  expect(comfy.executions.get(promptId)).toBe(1);
});

test('gateways are exchanged one after the other, and no request fails that is repeated under its key', async () => {
  // A service, which may ask as often as it likes.
  const service = await tokenOf({ sub: 'backend', role: 'service' });
  const statuses: number[] = [];
  const over = new AbortController();
  const asked = (async () => {
    while (!over.signal.aborted) {
      statuses.push((await ask('GET', '/jobs?limit=1', { token: service })).status);
      // A POST that a gateway may have read as it closed is not sent again by nginx: whoever has a key repeats it.
      const headers = { 'Idempotency-Key': `${statuses.length}` };
      const body = { workflow: steps({ steps: 1 }), type: 'image_generation', userId: 'ada' };
      const post = async () => (await ask('POST', '/jobs', { body, headers, token: service })).status;
      let status = await post();
      if (status === 502) status = await post();
      if (status === 200) status = 202;
      statuses.push(status);
      // The gateways that start beside it need the processor more.
      await sleep(20);
    }
  })();
  for (const gateway of deployment.gateways) {
    expect(await gateway.terminate()).toBe(0);
    await gateway.start();
    await eventually(async () => expect((await asking(gateway)('GET', '/readyz')).status).toBe(200));
    const before = statuses.length;
    await eventually(() => expect(statuses.length).toBeGreaterThan(before + 2));
  }
  over.abort();
  await asked;
  expect(new Set(statuses)).toEqual(new Set([200, 202]));
});

test('a body over the bound gets the gateway’s own answer', async () => {
  const body = `{"workflow": {}, "type": "${'x'.repeat((32 << 20) + 10)}"}`;
  expect(await ask('POST', '/jobs', { body })).toMatchObject({
    status: 413,
    json: { type: 'urn:comfyui-jobstream:problem:body-too-large' },
  });
});

test.each(['', '/comfy'])('under %j an input may be larger than any other body', async (base) => {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'image/png' };
  const body = new Uint8Array(36 << 20);
  body.set(PNG);
  const answer = await fetch(`${deployment.url}${base}/inputs?filename=large.png`, { method: 'POST', headers, body });
  expect([answer.status, await answer.json()]).toEqual([201, expect.objectContaining({ type: 'input' })]);
});

test('strangers are counted by their own address, whatever they claim', async () => {
  const from = (localAddress: string, claimed: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(deployment.url);
      const headers = { 'X-Forwarded-For': claimed };
      const asked = request({ hostname, port, path: '/jobs', localAddress, headers, agent: false });
      asked.once('response', (answer) => resolve(answer.resume().statusCode ?? 0));
      asked.once('error', reject).end();
    });
  const seen: number[] = [];
  // Each of the two gateways counts for itself.
  for (let n = 0; n <= 2 * REQUESTS && !seen.includes(429); n++)
    seen.push(await from('127.0.0.2', `10.0.0.${n % 250}`));
  expect(seen.at(-1)).toBe(429);
  expect(await from('127.0.0.3', '127.0.0.2')).toBe(401);
});

test('nginx keeps metrics and signatures to itself, and nobody reads a password in the list of processes', async () => {
  const service = await tokenOf({ sub: 'backend', role: 'service' });
  for (const path of ['/metrics', '/comfy/metrics', '/comfy/metrics/', '/METRICS', '//metrics', '/%6detrics'])
    expect([path, (await ask('GET', path, { token: service })).status]).toEqual([path, 404]);
  await ask('GET', '/jobs/x/outputs/0?signature=that-nobody-may-read');
  await eventually(() => expect(deployment.nginx.output()).toContain('"path":"/jobs/x/outputs/0"'));
  expect(deployment.nginx.output()).not.toContain('that-nobody-may-read');
  const args = execFileSync('ps', ['-o', 'args=', '-p', `${deployment.redisProgram.pid}`], { encoding: 'utf8' });
  expect(args).toContain('redis-server');
  expect(args).not.toContain('canary');
});
