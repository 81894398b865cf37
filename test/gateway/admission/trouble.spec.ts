import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { tokenAuth } from '../../../gateway/admission/auth/auth';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { jobKey } from '../../../sinks/job-store';
import { redisStore } from '../../../sinks/redis/redis-store';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { asking, type Answer } from '../support/http/asking';
import { callers, EXPECTED, type By, type Caller } from '../support/admission/callers';
import { client, connected, join, refused } from '../support/sockets/client';
import { PATIENCE_MS, until } from '../../support/until';
import { startKeyPublisher, type KeyPublisher } from '../support/admission/key-publisher';
import { settled, stateWhere } from '../support/settled';
import { SECRET } from '../support/admission/tokens';

let redis: RedisServer;
let comfy: ComfyUIStandIn;
let pipeline: Pipeline;
let publisher: KeyPublisher;
let gateways: Readonly<Record<By, Gateway>>;
/** Ada's: one that has ended, which only the store has, and two that are here: one runs on, one waits for it. */
let ended: string, live: string, waiting: string;

beforeAll(async () => {
  [redis, comfy, publisher] = await Promise.all([
    startRedis(),
    startComfyUI({ version: '0.33.0', timeScale: 0.2 }),
    startKeyPublisher(),
  ]);
  const report = () => undefined;
  const pipelineHere = () =>
    createPipeline({
      servers: [comfy.url],
      store: redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS }),
      report,
    });
  pipeline = pipelineHere();
  const common = { pipeline, host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) };
  const rates = { requestsPerMinute: 0, joinsPerSecond: 0 };
  gateways = {
    secret: await startGateway({ ...common, rates, auth: tokenAuth({ secret: SECRET, ...EXPECTED }) }),
    keys: await startGateway({ ...common, rates, auth: tokenAuth({ jwksUrl: publisher.url, ...EXPECTED }) }),
  };
  const submitTo = async (instance: Pipeline, workflow: ReturnType<typeof steps>): Promise<string> =>
    (await instance.submit({ workflow, type: 'image_generation', userId: 'ada' })).promptId;
  // By another instance: the one that ran it writes its end once more, and knows it for as long as that waits.
  const another = pipelineHere();
  ended = await submitTo(another, steps());
  await settled(another, ended);
  await another.close();
  comfy.faults.mostSteps = 1;
  live = await submitTo(pipeline, steps());
  await stateWhere(pipeline, live, ({ status }) => status === 'processing');
  waiting = await submitTo(pipeline, steps());
});
afterAll(async () => {
  await Promise.all(Object.values(gateways).map((gateway) => gateway.close()));
  await pipeline.close();
  await Promise.all([redis.stop(), comfy.stop(), publisher.close()]);
});

const verbs: readonly (readonly [method: string, path: string, body?: (caller: Caller) => object])[] = [
  ['GET', ''],
  ['HEAD', ''],
  ['POST', '/cancel'],
  ['GET', '/events'],
  ['HEAD', '/events'],
  ['GET', '/nodes'],
  ['GET', '/outputs/0'],
  ['GET', '/outputs/x'],
  ['HEAD', '/outputs/0'],
  ['PUT', '', ({ userId }) => ({ type: 'image_generation', userId })],
  ['PUT', '', () => ({ type: 'image_generation', userId: 'carol' })],
];
const everybody = callers(() => publisher);
const strangers = everybody.filter(({ rank }) => rank === 'other' || rank === 'nobody');

/** All that a client can tell apart. */
const seen = ({ status, headers: { date: _, ...headers }, text }: Answer) => ({ status, headers, text });

/**
 * What every stranger is told of these ids, which must be the same for each, by every verb and by a join. Who is nobody is
 * sent away before anything is read, and asks by one verb for one of them, in turn: all of both are three thousand requests.
 * Each verb of the others asks for one of those that cannot be read, in turn: why a value cannot be read, no verb knows.
 */
async function expectAlike(
  promptIds: readonly string[],
  status: Readonly<Record<'other' | 'nobody', number>>,
  junk: readonly string[] = [],
) {
  let turn = 0;
  for (const [nth, caller] of strangers.entries()) {
    const token = await caller.token();
    const bearer = token === undefined ? {} : { token };
    const ask = asking(gateways[caller.by]);
    const isNobody = caller.rank === 'nobody';
    for (const [method, path, body] of isNobody ? [verbs[nth % verbs.length]!] : verbs) {
      const how = { ...bearer, ...(body && { body: body(caller) }) };
      const inTurn = junk.length === 0 ? [] : [junk[turn++ % junk.length]!];
      const asked = isNobody
        ? [[...junk, ...promptIds][nth % (junk.length + promptIds.length)]!]
        : [...inTurn, ...promptIds];
      const [none, ...theirs] = await Promise.all(
        [randomUUID(), ...asked].map(async (id) => seen(await ask(method, `/jobs/${id}${path}`, how))),
      );
      for (const each of theirs) expect([caller.name, method, path, each]).toEqual([caller.name, method, path, none]);
      const forbidden = method === 'PUT' && caller.rank === 'other' && JSON.stringify(how).includes('carol');
      expect([caller.name, method, path, none!.status]).toEqual([
        caller.name,
        method,
        path,
        forbidden ? 403 : status[caller.rank as 'other' | 'nobody'],
      ]);
    }
    if (isNobody) {
      await expect(refused(client(gateways[caller.by], token))).rejects.toMatchObject({
        data: { code: 'unauthorized' },
      });
      continue;
    }
    const socket = await connected(gateways[caller.by], token);
    const replies = await Promise.all([randomUUID(), ...junk, ...promptIds].map((id) => join(socket, id)));
    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1);
    socket.disconnect();
  }
}

const service = everybody.find(({ rank, by }) => rank === 'service' && by === 'secret')!;
const owner = everybody.find(({ rank, by }) => rank === 'owner' && by === 'secret')!;
const statusFor = async (caller: Caller, id: string): Promise<number> =>
  (await asking(gateways.secret)('GET', `/jobs/${id}`, { token: (await caller.token())! })).status;

test('[R14] with the store up: whoever may not see a job cannot tell it from none, or from one that cannot be read', async () => {
  const connection = new Redis(redis.port);
  const junk: string[] = [];
  for (const [n, write] of [
    (key: string) => connection.set(key, 'no JSON'),
    (key: string) => connection.set(key, '{"userId":"bob"}'),
    (key: string) => connection.set(key, Buffer.from([0xff, 0xfe, 0])),
    (key: string) => connection.hset(key, 'a', 'b'),
    (key: string) => connection.rpush(key, 'x'),
  ].entries()) {
    junk.push(`00000000-0000-4000-8000-00000000000${n}`);
    await write(jobKey(junk[n]!));
  }
  // Of the job that runs here, too.
  await connection.set(jobKey(live), 'no JSON');
  await expectAlike([live, waiting, ended], { other: 404, nobody: 401 }, junk);
  for (const id of [ended, waiting])
    expect([await statusFor(owner, id), await statusFor(service, id)]).toEqual([200, 200]);
  // Who may see all of them gets the error.
  for (const id of junk) expect([await statusFor(owner, id), await statusFor(service, id)]).toEqual([404, 500]);
  expect(await statusFor(owner, live)).toBe(200);
  await connection.del(...junk.map(jobKey));
  connection.disconnect();
});

test('[R14] with the store down: the same, for whom the job is here as much as for none', async () => {
  await redis.kill();
  await until(async () => !(await pipeline.storeHealthy()));
  await expectAlike([live, ended], { other: 503, nobody: 401 });
  // Who has it is told of the job that is here, and that the other cannot be read.
  expect([await statusFor(owner, live), await statusFor(owner, ended), await statusFor(service, ended)]).toEqual([
    200, 503, 503,
  ]);
  await redis.start();
});
