import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { startGateway } from '../../../gateway/server/server';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { redisStore } from '../../../sinks/redis/redis-store';
import { startComfyUI } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import { startRedis } from '../../support/redis/redis-server';
import { PATIENCE_MS, until } from '../../support/until';
import { asking } from '../support/http/asking';
import { startReceiver } from '../support/webhooks/receiver';

const report = () => undefined;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A gateway on a Redis and a ComfyUI of its own, with a job that goes on and is to be told of. */
async function aJobWithAWebhook() {
  const redis = await startRedis();
  const comfy = await startComfyUI({ version: '0.33.0' });
  const receiver = await startReceiver();
  const store = redisStore({ url: redis.url, report, commandTimeoutMs: PATIENCE_MS });
  const pipeline = createPipeline({ servers: [comfy.url], store, report });
  const secret = Buffer.from('a secret of webhooks, 24 bytes and more');
  const webhooks = { hooks: store.hooks, secret, hosts: [] };
  const logger = pino({ level: 'silent' });
  const gateway = await startGateway({ pipeline, host: '127.0.0.1', port: 0, auth: openAuth, logger, webhooks });
  closing.push(
    () => redis.stop(),
    () => comfy.stop(),
    () => receiver.close(),
    () => pipeline.close(),
    () => gateway.close(),
  );
  comfy.faults.mostSteps = 5;
  const webhook = { url: receiver.url };
  const body = { workflow: steps(), type: 'image_generation', userId: 'ada', webhook };
  const { json } = await asking(gateway)('POST', '/jobs', { body });
  const isNow = async (status: string) => (await pipeline.get(String(json['promptId'])))?.status === status;
  await until(() => isNow('processing'));
  return { redis, comfy, receiver, pipeline, isNow };
}

test('[R12] the end of a job is told though Redis came back empty while it ran', async () => {
  const { redis, comfy, receiver, pipeline, isNow } = await aJobWithAWebhook();
  await redis.kill();
  await redis.start();
  await until(() => pipeline.storeHealthy());
  comfy.faults.mostSteps = Infinity;
  await until(() => isNow('completed'));
  await until(() => receiver.received.length > 0);
  expect(receiver.received).toHaveLength(1);
});
