import { randomUUID } from 'node:crypto';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { PublicJob } from '../../../gateway/wire/public-job';
import { isNewer, type JobState } from '../../../streams/job/job-state';
import { steps, twoOutputs } from '../../support/comfyui/workflows';
import { PATIENCE_MS, eventually } from '../../support/until';
import { client, connected, heard, join, refused, statesOf } from '../support/sockets/client';
import { anotherSocket, gateway, holdAt, letGo, oneSocket, socket } from '../support/sockets/one-socket';
import { runningGateway } from '../support/running-gateway';
import { settled, stateWhere } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

oneSocket();

const submit = (workflow = steps()) => gateway.pipeline.submit({ workflow, type: 'image_generation', userId: 'ada' });
const running = (promptId: string) => stateWhere(gateway.pipeline, promptId, ({ status }) => status === 'processing');
const lastOf = (states: readonly PublicJob[]) => states.at(-1);

test('a join answers with the state, then each change follows in order, to the end', async () => {
  holdAt(5);
  const { promptId } = await submit(steps({ steps: 20, secondsPerStep: 0.25 }));
  const states = statesOf(socket);
  const reply = await join(socket, promptId);
  expect(reply).toMatchObject({ ok: true, job: { promptId } });
  holdAt(15);
  await eventually(() => expect(lastOf(states)?.node?.value).toBeGreaterThan(5));
  letGo();
  await eventually(() => expect(lastOf(states)).toMatchObject({ status: 'completed', progress: 100 }));
  const all = [(reply as { job: JobState }).job, ...states] as JobState[];
  expect(all.slice(1).every((state, n) => isNewer(state, all[n]!))).toBe(true);
  expect(JSON.stringify(all)).not.toContain('clientId');
});

test('a late join begins where the job is, and two sockets hear the same', async () => {
  holdAt(10);
  const { promptId } = await submit(steps({ steps: 30, secondsPerStep: 0.2 }));
  await running(promptId);
  const other = await anotherSocket();
  const [mine, others] = [statesOf(socket), statesOf(other)];
  expect(await join(socket, promptId)).toMatchObject({ ok: true, job: { status: 'processing' } });
  expect(await join(other, promptId)).toMatchObject({ ok: true, job: { status: 'processing' } });
  letGo();
  await eventually(() =>
    expect([lastOf(mine), lastOf(others)]).toMatchObject([{ status: 'completed' }, { status: 'completed' }]),
  );
  expect(lastOf(mine)).toEqual(lastOf(others));
});

test('joining a settled job answers with its end, and nothing follows', async () => {
  const { promptId } = await submit();
  const end = await settled(gateway.pipeline, promptId);
  const states = statesOf(socket);
  expect(await join(socket, promptId)).toMatchObject({ ok: true, job: { status: 'completed', seq: end.seq } });
  await join(socket, promptId);
  expect(states).toEqual([]);
});

test('who left hears no more, and may come back', async () => {
  holdAt(5);
  const { promptId } = await submit(steps({ steps: 60, secondsPerStep: 0.2 }));
  await running(promptId);
  const states = statesOf(socket);
  await join(socket, promptId);
  holdAt(20);
  await eventually(() => expect(states.length).toBeGreaterThan(0));
  socket.emit('job:leave', promptId);
  // An answer to what came after the leave: it has been worked on.
  await join(socket, randomUUID());
  const heardSoFar = states.length;
  letGo();
  await settled(gateway.pipeline, promptId);
  await join(socket, randomUUID());
  expect(states.length).toBe(heardSoFar);
  expect(await join(socket, promptId)).toMatchObject({ ok: true, job: { status: 'completed' } });
});

test('joining twice is joining once', async () => {
  holdAt(3);
  const { promptId } = await submit();
  const states = statesOf(socket);
  await Promise.all([join(socket, promptId), join(socket, promptId), join(socket, promptId)]);
  letGo();
  await eventually(() => expect(lastOf(states)?.status).toBe('completed'));
  const seqs = states.map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
});

test('previews come with their job and node, as bytes', async () => {
  holdAt(3);
  const { promptId } = await submit(twoOutputs());
  const preview = heard(socket, 'job:preview');
  await join(socket, promptId);
  letGo();
  const [head, image] = await preview;
  expect(head).toEqual({ promptId, nodeId: '2', mimeType: expect.stringMatching(/^image\//) as string });
  expect(Buffer.isBuffer(image) && image.length > 0).toBe(true);
  await settled(gateway.pipeline, promptId);
});

test.each([[undefined], [null], [7], [{}], [['a']], [{ promptId: 'x' }], [Buffer.from('x')], [true]])(
  'a join with %p is answered, not served',
  async (payload) => {
    expect(await join(socket, payload)).toMatchObject({ ok: false, error: { code: 'bad-request' } });
  },
);

test.each(['', 'comfyui:job:x', '../x', 'x'.repeat(500), randomUUID()])(
  'a join with %j finds no job',
  async (payload) => {
    expect(await join(socket, payload)).toMatchObject({ ok: false, error: { code: 'unknown-job' } });
  },
);

test('what no client should send does no harm: no ack, odd acks, unknown events, bad leaves', async () => {
  const { promptId } = await submit();
  const states = statesOf(socket);
  socket.emit('job:join');
  socket.emit('job:join', null);
  socket.emit('job:join', promptId);
  socket.emit('job:join', randomUUID(), 'no function');
  socket.emit('job:leave');
  socket.emit('job:leave', {}, () => undefined);
  socket.emit('constructor', {});
  socket.emit('__proto__', {});
  // Without an ack the first state comes as an event.
  await eventually(() => expect(lastOf(states)).toMatchObject({ promptId, status: 'completed' }));
});

test.each(['job:watch', 'jobs:join', 'constructor', '__proto__'])(
  '[R18] the event %s, which is none, is refused by name where an answer is waited for',
  async (event) => {
    const reply = new Promise((resolve) => socket.emit(event, randomUUID(), resolve));
    expect(await reply).toEqual({
      ok: false,
      error: { code: 'bad-request', message: expect.stringContaining('job:join, job:leave, jobs:watch') as string },
    });
  },
);

test('a socket follows 64 jobs and no more, until one is left or settles; ends are told beyond', async () => {
  const { promptId: ended } = await submit();
  await eventually(async () => expect((await gateway.pipeline.get(ended))?.status).toBe('completed'));
  holdAt(5);
  // The first outlives the test, and the others wait behind it: one that settled would make room.
  const ids = await Promise.all(
    Array.from({ length: 65 }, async () => (await submit(steps({ steps: 600, secondsPerStep: 0.5 }))).promptId),
  );
  const replies = await Promise.all(ids.map((id) => join(socket, id)));
  expect(replies.filter(({ ok }) => ok)).toHaveLength(64);
  const refusedJoin = replies.findIndex(({ ok }) => !ok);
  expect(replies[refusedJoin]).toMatchObject({ error: { code: 'too-many-jobs' } });
  expect(await join(socket, ended)).toMatchObject({ ok: true, job: { status: 'completed' } });
  socket.emit('job:leave', ids[refusedJoin === 0 ? 1 : 0]);
  expect(await join(socket, ids[refusedJoin])).toMatchObject({ ok: true });
  await Promise.all(ids.map((id) => gateway.pipeline.cancel(id)));
});

test('a foreign page and a foreign Host get no socket; HTTP polling is not offered', async () => {
  await expect(refused(client(gateway, undefined, { Origin: 'https://evil.example' }))).rejects.toThrow();
  await expect(refused(client(gateway, undefined, { Host: 'evil.example' }))).rejects.toThrow();
  expect((await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`)).status).toBe(400);
  const own = client(gateway, undefined, { Origin: gateway.url });
  await heard(own, 'connect');
  own.disconnect();
});

test('without a valid token there is no socket, and with its end the socket ends', async () => {
  const guarded = await runningGateway({ auth: testAuth });
  for (const token of [undefined, 'nonsense', await tokenOf({ sub: 'a' }, { expires: '1 minute ago' })]) {
    await expect(refused(client(guarded, token))).rejects.toMatchObject({ data: { code: 'unauthorized' } });
  }
  const soon = Math.floor(Date.now() / 1000) + 3;
  const brief = await connected(guarded, await tokenOf({ sub: 'a' }, { expires: soon }));
  await heard(brief, 'disconnect');
  expect(Date.now()).toBeGreaterThanOrEqual(soon * 1000 - 50);
  await guarded.close();
});

test('an error of our own while a message waits for its turn breaks that socket, not the process nor other sockets', async () => {
  const log: string[] = [];
  const broken = new Error('the judge fell ill');
  const ours = await runningGateway({ heard: (line) => void log.push(line) });
  const [unlucky, lucky] = [await connected(ours), await connected(ours)];
  const judge = jest.spyOn(RateLimiterMemory.prototype, 'consume').mockImplementationOnce(() => {
    throw broken;
  });
  unlucky.emit('job:join', randomUUID());
  await heard(unlucky, 'disconnect');
  judge.mockRestore();
  expect(log.filter((line) => line.includes('a socket cannot be served further'))).toEqual([
    expect.stringContaining(broken.message),
  ]);
  expect(await join(lucky, randomUUID())).toMatchObject({ error: { code: 'unknown-job' } });
  lucky.disconnect();
  await ours.close();
});

const done = { ok: true };
const badRequest = {
  ok: false,
  error: { code: 'bad-request', message: 'Join and leave with the promptId, a string.' },
};

test.each<[event: string, args: readonly unknown[], answer: object]>([
  ['job:join', [], badRequest],
  ['job:join', [null], badRequest],
  ['job:join', [Buffer.from('id')], badRequest],
  ['job:leave', [], badRequest],
  ['job:leave', [{}], badRequest],
  ['job:leave', ['a job that was never joined'], done],
  ['jobs:unwatch', [], done],
  ['jobs:unwatch', ['of no use'], done],
  ['jobs:watch', [], { ok: true, jobs: [], more: false }],
])('[R18] who asks for an answer to %s %j gets one', async (event, args, answer) => {
  expect(await socket.timeout(PATIENCE_MS).emitWithAck(event, ...args)).toEqual(answer);
});
