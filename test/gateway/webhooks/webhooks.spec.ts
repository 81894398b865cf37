import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { pino } from 'pino';
import { openAuth } from '../../../gateway/admission/auth/auth';
import { startGateway, type Gateway } from '../../../gateway/server/server';
import type { Pipeline } from '../../../pipeline/api';
import { createPipeline } from '../../../pipeline/instance/create-pipeline';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import type { JobStore } from '../../../sinks/job-store';
import type { JobState } from '../../../streams/job/job-state';
import { startComfyUI, type ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { nodeError, rejected, steps } from '../../support/comfyui/workflows';
import { asking } from '../support/http/asking';
import { eventually } from '../../support/until';
import { startReceiver, type Receiver } from '../support/webhooks/receiver';
import { runningGateway } from '../support/running-gateway';

const secret = Buffer.from('a secret of webhooks, 24 bytes and more');
const log: string[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) });

describe('over a real pipeline', () => {
  let comfy: ComfyUIStandIn;
  let directory: string;
  let receiver: Receiver;
  let running: { gateway: Gateway; pipeline: Pipeline; store: JobStore } | undefined;

  const start = async (): Promise<NonNullable<typeof running>> => {
    const store = embeddedStore({ directory, report: () => undefined });
    const pipeline = createPipeline({ servers: [comfy.url], store, report: () => undefined });
    const gateway = await startGateway({
      pipeline,
      host: '127.0.0.1',
      port: 0,
      auth: openAuth,
      logger,
      webhooks: { hooks: store.hooks, secret, hosts: [] },
    });
    return (running = { gateway, pipeline, store });
  };
  const stop = async (): Promise<void> => {
    await running?.gateway.close();
    await running?.pipeline.close();
    running = undefined;
  };
  beforeEach(async () => {
    log.length = 0;
    comfy = await startComfyUI({ version: '0.33.0', timeScale: 0.2 });
    directory = await mkdtemp(join(tmpdir(), 'webhooks-'));
    receiver = await startReceiver();
    await start();
  });
  afterEach(async () => {
    await stop();
    await Promise.all([comfy.stop(), receiver.close()]);
    await rm(directory, { recursive: true });
  });

  const post = (workflow: unknown = steps(), url = `${receiver.url}?token=hunter2`, headers = {}) => {
    const body = { workflow, type: 'image_generation', userId: 'ada', webhook: { url } };
    return asking(running!.gateway)('POST', '/jobs', { body, headers });
  };

  /** What would be told by now would be told before a job that comes now. */
  const expectNothingBut = async (count: number): Promise<void> => {
    const { json } = await post();
    const idsAt = (at: number) => receiver.received.slice(at).map(({ headers }) => headers['webhook-id']);
    await eventually(() => expect(idsAt(count)).toContain(`msg_${String(json['promptId'])}`));
    expect(idsAt(count)).toEqual([`msg_${String(json['promptId'])}`]);
  };

  test('a settled job is told once, signed, as browsers see it', async () => {
    const { status, json } = await post();
    expect(status).toBe(202);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    const { headers, body } = receiver.received[0]!;
    const job = await asking(running!.gateway)('GET', `/jobs/${String(json['promptId'])}`);
    expect(JSON.parse(body)).toEqual(job.json);
    expect(job.json).toMatchObject({ status: 'completed' });
    const [id, timestamp] = [headers['webhook-id'], headers['webhook-timestamp']];
    expect(id).toBe(`msg_${String(json['promptId'])}`);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const signed = createHmac('sha256', secret)
      .update(`${String(id)}.${String(timestamp)}.${body}`)
      .digest('base64');
    expect(headers).toMatchObject({ 'webhook-signature': `v1,${signed}`, 'content-type': 'application/json' });
    await expectNothingBut(1);
    expect(log.join()).not.toContain('hunter2');
    expect(job.text).not.toContain('hunter2');
  });

  test('failed and refused jobs are told too; what is repeated under a key is told once', async () => {
    const broken = await post(nodeError());
    const refused = await post(rejected());
    expect([broken.status, refused.status]).toEqual([202, 422]);
    const workflow = steps();
    const again = [];
    for (let n = 0; n < 3; n += 1) again.push(await post(workflow, receiver.url, { 'Idempotency-Key': 'k' }));
    await eventually(() => expect(receiver.received).toHaveLength(3));
    expect(receiver.received.map(({ body }) => (JSON.parse(body) as JobState).status).sort()).toEqual([
      'completed',
      'failed',
      'failed',
    ]);
    await post(workflow, receiver.url, { 'Idempotency-Key': 'k' });
    await expectNothingBut(3);
  });

  test('a redirect is no way to follow, and no delivery', async () => {
    receiver.answer = 307;
    const { json } = await post();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    receiver.answer = 200;
    // In place of waiting for 5 s.
    await eventually(async () => {
      await hurry(String(json['promptId']));
      expect(receiver.received).toHaveLength(2);
    });
    const [first, second] = receiver.received;
    expect([first!.url, second!.url]).toEqual(['/hook?token=hunter2', '/hook?token=hunter2']);
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.body).toBe(first!.body);
    const told = log.filter((line) => line.includes('is sent again'));
    expect(told).toEqual([
      expect.stringContaining(`msg_${String(json['promptId'])} is sent again, for a day: it answered 307`),
    ]);
    expect(told.join()).not.toContain('hunter2');
  });
  const hurry = (promptId: string): Promise<void> =>
    lastValueFrom(running!.store.hooks.hurry(promptId), { defaultValue: undefined });

  test('a job that settles while nobody is there to tell is told by the next run', async () => {
    receiver.answer = 0;
    const { json } = await post();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await stop();
    receiver.answer = 204;
    const store = embeddedStore({ directory, report: () => undefined });
    await lastValueFrom(store.hooks.later({ promptId: String(json['promptId']), text: kept(receiver.url) }, 0), {
      defaultValue: undefined,
    });
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await start();
    await eventually(() => expect(receiver.received).toHaveLength(2));
    expect(receiver.received[1]!.headers['webhook-id']).toBe(receiver.received[0]!.headers['webhook-id']);
  });
  const kept = (url: string): string => JSON.stringify({ url, at: Date.now(), attempts: 0 });

  test.each(['http://example.com/', 'https://10.0.0.1/', 'https://u:p@example.com/', 'nonsense'])(
    '%s is refused, and nothing is run',
    async (url) => {
      expect(await post(steps(), url)).toMatchObject({ status: 400, json: { errors: [{ field: 'webhook.url' }] } });
      expect(comfy.executions.size).toBe(0);
    },
  );

  test('without a secret there are none', async () => {
    const other = await runningGateway();
    const body = { workflow: steps(), type: 'x', userId: 'ada', webhook: { url: receiver.url } };
    const answer = await asking(other)('POST', '/jobs', { body });
    expect(answer.status).toBe(400);
    expect(answer.json['detail']).toContain('WEBHOOK_SECRET');
    await other.close();
  });
});
