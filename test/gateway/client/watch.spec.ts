import { pino } from 'pino';
import type { WatchReply } from '../../../gateway/wire/protocol';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../sinks/redis/redis-store';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { client, connected, join, refused, statesOf, type Client } from '../support/sockets/client';
import { eventually, PATIENCE_MS } from '../../support/until';
import { settled } from '../support/settled';
import { testAuth, tokenOf } from '../support/admission/tokens';

const watch = (socket: Client, ...args: unknown[]): Promise<WatchReply> =>
  new Promise((resolve) => socket.emit('jobs:watch', ...args, resolve));

describe('two instances on one Redis', () => {
  let redis: RedisServer;
  let comfy: ComfyUIStandIn;
  let idle: ComfyUIStandIn;
  let holder: Pipeline;
  let other: Pipeline;
  let here: Gateway;
  let there: Gateway;
  const sockets: Client[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    [comfy, idle] = await Promise.all([
      startComfyUI({ version: '0.33.0', timeScale: 0.2 }),
      startComfyUI({ version: '0.33.0' }),
    ]);
    const report = () => undefined;
    const pipelineOn = (url: string) =>
      createPipeline({
        servers: [url],
        store: redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
        report,
      });
    [holder, other] = [pipelineOn(comfy.url), pipelineOn(idle.url)];
    const gatewayOf = (pipeline: Pipeline) =>
      startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: testAuth, logger: pino({ level: 'silent' }) });
    [here, there] = await Promise.all([gatewayOf(holder), gatewayOf(other)]);
  });
  afterEach(() => {
    holdAt(Infinity);
    sockets.splice(0).forEach((socket) => socket.disconnect());
  });
  afterAll(async () => {
    await Promise.all([here.close(), there.close()]);
    await Promise.all([holder.close(), other.close()]);
    await Promise.all([comfy.stop(), idle.stop(), redis.stop()]);
  });

  /** Jobs go no further than this step until they are let go. */
  const holdAt = (step: number): void => void (comfy.faults.mostSteps = step);
  const submit = (userId: string, count = 20) =>
    holder.submit({ workflow: steps({ steps: count, secondsPerStep: 0.2 }), type: 'image_generation', userId });
  const socketOf = async (claims: object, gateway = here) => {
    const socket = await connected(gateway, await tokenOf({ ...claims }));
    sockets.push(socket);
    return socket;
  };

  const viewers = [
    ['ada', { sub: 'ada' }, ['ada']],
    ['bob', { sub: 'bob' }, ['bob']],
    ['carol, who has none', { sub: 'carol' }, []],
    ['a user who is named as another user’s role', { sub: 'x', role: 'ada' }, []],
    ['a service', { role: 'service' }, ['ada', 'bob']],
    ['a service that is named as a user', { sub: 'carol', role: 'service' }, ['ada', 'bob']],
  ] as const;

  test.each(viewers)(
    '[R14] %s: of all jobs that live and change, only those they may see',
    async (_, claims, users) => {
      holdAt(2);
      const jobs = [await submit('ada', 5), await submit('bob', 5)];
      const socket = await socketOf(claims);
      const states = statesOf(socket);
      const reply = await watch(socket);
      expect(reply).toMatchObject({ ok: true, more: false });
      const owners = (told: readonly { readonly userId: string }[]) =>
        [...new Set(told.map(({ userId }) => userId))].sort();
      expect(owners(reply.ok ? reply.jobs : [])).toEqual(users);
      holdAt(Infinity);
      await Promise.all(jobs.map(({ promptId }) => settled(holder, promptId)));
      const ended = () => owners(states.filter(({ status }) => status === 'completed'));
      await eventually(() => expect(ended()).toEqual(users));
      expect(owners(states)).toEqual(users);
      expect(JSON.stringify([reply, states])).not.toMatch(/clientId|session/);
    },
  );

  test('[R14] who has no jobs is answered the same whether others have some or not', async () => {
    const socket = await socketOf({ sub: 'carol' });
    const { promptId } = await submit('ada', 1);
    const answer = await watch(socket);
    await settled(holder, promptId);
    expect(await watch(socket)).toEqual(answer);
    expect(answer).toEqual({ ok: true, jobs: [], more: false });
  });

  test('[R14] without a valid token there is nothing to watch', async () => {
    for (const token of [undefined, 'nonsense', await tokenOf({ sub: 'ada' }, { expires: '1 minute ago' })]) {
      await expect(refused(client(here, token))).rejects.toMatchObject({ data: { code: 'unauthorized' } });
    }
  });

  test('jobs of another instance are seen as well, a little later, and to their end', async () => {
    holdAt(10);
    const before = await submit('ada', 40);
    const socket = await socketOf({ sub: 'ada' }, there);
    const states = statesOf(socket);
    expect(await watch(socket)).toMatchObject({ ok: true, jobs: [{ promptId: before.promptId }] });
    holdAt(Infinity);
    await settled(holder, before.promptId);
    await eventually(() => expect(states.at(-1)).toMatchObject({ promptId: before.promptId, status: 'completed' }));
  });

  test('short jobs of another instance are told of, each with its end', async () => {
    const socket = await socketOf({ sub: 'ada' }, there);
    const states = statesOf(socket);
    await watch(socket);
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { promptId } = await submit('ada', 1);
      await settled(holder, promptId);
      ids.push(promptId);
    }
    const ended = () => states.filter(({ status }) => status === 'completed').map(({ promptId }) => promptId);
    await eventually(() => expect(ended().sort()).toEqual([...ids].sort()));
  });

  test('a job that is also joined is told once; who leaves it goes on hearing of it; who unwatches does not', async () => {
    holdAt(5);
    const { promptId } = await submit('ada', 60);
    const socket = await socketOf({ sub: 'ada' });
    const states = statesOf(socket);
    await Promise.all([watch(socket), join(socket, promptId)]);
    holdAt(20);
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(5));
    socket.emit('job:leave', promptId);
    holdAt(40);
    await eventually(() => expect(states.at(-1)?.node?.value).toBeGreaterThan(20));
    const seqs = states.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    socket.emit('jobs:unwatch');
    await join(socket, 'no-such-job');
    const last = states.length;
    holdAt(Infinity);
    await settled(holder, promptId);
    await join(socket, 'no-such-job');
    expect(states).toHaveLength(last);
  });

  test('odd watches do no harm: no ack, odd arguments, many at once', async () => {
    const socket = await socketOf({ sub: 'ada' });
    const states = statesOf(socket);
    socket.emit('jobs:unwatch', {}, () => undefined);
    socket.emit('jobs:watch', null, { userId: 'bob' });
    expect(await watch(socket, 'bob', { role: 'service' })).toMatchObject({ ok: true });
    for (let n = 0; n < 100; n += 1) socket.emit('jobs:watch');
    const { promptId } = await submit('ada', 3);
    await eventually(() => expect(states.at(-1)).toMatchObject({ promptId, status: 'completed' }));
    const seqs = states.filter((state) => state.promptId === promptId).map(({ seq }) => seq);
    // Without an ack the live jobs come as events.
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  });
});
