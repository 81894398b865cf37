import { Redis } from 'ioredis';
import { lastValueFrom, tap } from 'rxjs';
import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import type { JobStore } from '../../../sinks/job-store';
import { redisStore } from '../../../sinks/redis/redis-store';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { nodeError, steps } from '../../support/comfyui/workflows';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { asking } from '../support/http/asking';
import { eventually, PATIENCE_MS } from '../../support/until';
import { startReceiver, type Receiver } from '../support/webhooks/receiver';

const secret = Buffer.from('a secret of webhooks, 24 bytes and more');
const logger = pino({ level: 'silent' });

interface Instance {
  readonly gateway: Gateway;
  readonly pipeline: Pipeline;
  readonly store: JobStore;
  /** What it ever claimed to tell of. */
  readonly claimed: ReadonlySet<string>;
}

let redis: RedisServer;
let comfies: readonly ComfyUIStandIn[];
let receiver: Receiver;
let instances: readonly Instance[];

/** Each with a ComfyUI of its own, and one Redis between them. */
beforeEach(async () => {
  redis = await startRedis();
  receiver = await startReceiver();
  comfies = await Promise.all([0, 1].map(() => startComfyUI({ version: '0.33.0', timeScale: 0.1 })));
  instances = await Promise.all(
    comfies.map(async ({ url }) => {
      const report = () => undefined;
      const store = redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS });
      const pipeline = createPipeline({ servers: [url], store, report });
      const claimed = new Set<string>();
      const claim: JobStore['hooks']['claim'] = (most, forMs) =>
        store.hooks.claim(most, forMs).pipe(tap((hooks) => hooks.forEach(({ promptId }) => claimed.add(promptId))));
      const webhooks = { hooks: { ...store.hooks, claim }, secret, hosts: [] };
      const options = { pipeline, host: '127.0.0.1', port: 0, auth: openAuth, logger, webhooks };
      return { gateway: await startGateway(options), pipeline, store, claimed };
    }),
  );
});
afterEach(async () => {
  await Promise.all(instances.map(({ gateway }) => gateway.close()));
  await Promise.all(instances.map(({ pipeline }) => pipeline.close()));
  await Promise.all([...comfies.map((comfy) => comfy.stop()), receiver.close()]);
  await redis.stop();
});

const submit = (count: number): Promise<readonly string[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const body = {
        workflow: n % 5 === 0 ? nodeError() : steps({ steps: 3 }),
        type: 'image_generation',
        userId: 'ada',
        webhook: { url: receiver.url },
      };
      const { status, json } = await asking(instances[n % 2]!.gateway)('POST', '/jobs', { body });
      expect(status).toBe(202);
      return String(json['promptId']);
    }),
  );
/** Ends the half minute that a claim lasts. What is not claimed by this instance any more was told. */
async function runOut(claimed: ReadonlySet<string>): Promise<void> {
  const connection = new Redis(redis.url);
  for (const promptId of claimed) await connection.zadd('jobstream:{hooks}:due', 'XX', 0, promptId);
  connection.disconnect();
}

/** Jobs that are told later, by each instance, than all that was due before. Gives their ids. */
async function toldMore(): Promise<readonly string[]> {
  const ids = (await submit(2)).map((promptId) => `msg_${promptId}`);
  await eventually(() => expect(idsOf(receiver)).toEqual(expect.arrayContaining(ids)));
  return ids;
}
const idsOf = (from: Receiver): readonly string[] => from.received.map(({ headers }) => String(headers['webhook-id']));

test('two instances on one Redis tell of each settled job once, whichever has it', async () => {
  const promptIds = await submit(20);
  const wanted = promptIds.map((promptId) => `msg_${promptId}`).sort();
  await eventually(() => expect([...idsOf(receiver)].sort()).toEqual(wanted));
  // Both look every second, and settled jobs make both look at once.
  for (const { store } of instances)
    for (const promptId of promptIds) await lastValueFrom(store.hooks.hurry(promptId), { defaultValue: undefined });
  const more = await toldMore();
  expect([...idsOf(receiver)].sort()).toEqual([...wanted, ...more].sort());
});

test('what was not taken is told again under the same id, by one instance at a time', async () => {
  receiver.answer = 0;
  const promptIds = await submit(6);
  const wanted = promptIds.map((promptId) => `msg_${promptId}`).sort();
  await eventually(() => expect([...new Set(idsOf(receiver))].sort()).toEqual(wanted));
  // No answer yet: each attempt is under way, and however often both are told to hurry, neither makes another beside it.
  for (let times = 0; times < 3; times += 1) {
    for (const { store } of instances)
      for (const promptId of promptIds) await lastValueFrom(store.hooks.hurry(promptId), { defaultValue: undefined });
  }
  // One of them ends, and its attempts with it; the other makes them, under the same ids, once its claims have run out.
  receiver.answer = 204;
  const [first] = instances;
  await first!.gateway.close();
  await runOut(first!.claimed);
  receiver.hangUp();
  const taken = () =>
    receiver.received.filter(({ answer }) => answer === 204).map(({ headers }) => headers['webhook-id']);
  await eventually(() => expect(taken().sort()).toEqual(wanted.sort()));
  expect(receiver.besides).toEqual([]);
});
