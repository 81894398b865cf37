import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, of, Subject, VirtualTimeScheduler } from 'rxjs';
import { pino } from 'pino';
import { openAuth } from '../../gateway/auth';
import { courier } from '../../gateway/courier';
import { startGateway, type Gateway } from '../../gateway/server';
import type { Message, Outcome } from '../../gateway/webhook-sender';
import { createPipeline, type Pipeline } from '../../pipeline';
import { embeddedStore } from '../../sinks/embedded-store';
import type { JobStore } from '../../sinks/job-store';
import type { JobState } from '../../streams/job-state';
import { aState } from '../sinks/a-state';
import { startComfyUI, type ComfyUIStandIn } from '../support/comfyui/stand-in';
import { nodeError, rejected, steps } from '../support/comfyui/workflows';
import { asking } from './support/asking';
import { eventually } from './support/eventually';
import { startReceiver, type Receiver } from './support/receiver';
import { runningGateway } from './support/running-gateway';
import { settled } from './support/settled';

const secret = Buffer.from('a secret of webhooks, 24 bytes and more');
const log: string[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) });

describe('over a real pipeline', () => {
  let comfy: ComfyUIStandIn;
  let directory: string;
  let receiver: Receiver;
  let running: { gateway: Gateway; pipeline: Pipeline } | undefined;

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
    return (running = { gateway, pipeline });
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
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
    const signed = createHmac('sha256', secret)
      .update(`${String(id)}.${String(timestamp)}.${body}`)
      .digest('base64');
    expect(headers).toMatchObject({ 'webhook-signature': `v1,${signed}`, 'content-type': 'application/json' });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(receiver.received).toHaveLength(1);
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
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(receiver.received).toHaveLength(3);
  });

  test('what was not taken comes again after 5 s with the same id; a redirect is no way', async () => {
    receiver.answer = 307;
    await post();
    await eventually(() => expect(receiver.received).toHaveLength(1));
    receiver.answer = 200;
    await eventually(() => expect(receiver.received).toHaveLength(2), 8_000);
    const [first, second] = receiver.received;
    expect(second!.atMs - first!.atMs).toBeGreaterThan(3_500);
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.body).toBe(first!.body);
  }, 15_000);

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
  }, 15_000);
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

  test('a job is told whoever is asked about it meanwhile', async () => {
    const { json } = await post(steps({ steps: 20 }));
    await settled(running!.pipeline, String(json['promptId']));
    await eventually(() => expect(receiver.received).toHaveLength(1));
  });
});

describe('the courier', () => {
  let directory: string;
  let store: JobStore;
  let clock: VirtualTimeScheduler;
  const reports: string[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'courier-'));
    clock = new VirtualTimeScheduler();
    store = embeddedStore({ directory, clock, report: () => undefined });
    reports.length = 0;
  });
  afterEach(async () => {
    await lastValueFrom(store.close(), { defaultValue: undefined });
    await rm(directory, { recursive: true });
  });

  /** Virtual time goes on in steps, between which what is real may happen. */
  const pass = async (ms: number, stepMs: number): Promise<void> => {
    for (const end = clock.now() + ms; clock.now() < end;) {
      const next = Math.min(end, clock.now() + stepMs);
      clock.maxFrames = next;
      clock.schedule(() => 'now', next - clock.now());
      clock.flush();
      for (let n = 0; n < 6; n += 1) await new Promise(setImmediate);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  const open = (outcomes: (n: number) => Outcome, job: () => JobState | undefined) => {
    const sent: { readonly atMs: number; readonly message: Message }[] = [];
    const states$ = new Subject<JobState>();
    const it = courier({
      pipeline: { get: () => Promise.resolve(job()), states$ },
      hooks: store.hooks,
      send: (message) => {
        sent.push({ atMs: clock.now(), message });
        return of(outcomes(sent.length));
      },
      clock,
      random: () => 1,
      report: (_where, error) => reports.push(String(error)),
    });
    return { ...it, sent, states$ };
  };
  const ended = aState({ status: 'completed' });
  const failed: Outcome = { tag: 'failed', reason: 'it answered 500' };

  test('tries for a day, less and less often, then gives up and says so', async () => {
    const { add, close, sent } = open(
      () => failed,
      () => ended,
    );
    await add('job-1', 'https://example.com/secret');
    await pass(60_000, 1_000);
    await pass(3_600_000, 30_000);
    await pass(25 * 3_600_000, 600_000);
    const waits = sent.slice(1).map(({ atMs }, n) => (atMs - sent[n]!.atMs) / 60_000);
    const wanted = [1 / 12, 0.5, 2, 10, 30, 60, 60];
    wanted.forEach((wait, n) => expect(waits[n]).toBeGreaterThanOrEqual(wait));
    wanted.slice(0, 5).forEach((wait, n) => expect(waits[n]).toBeLessThan(wait + 1.1));
    expect(sent.length).toBeGreaterThan(20);
    expect(sent.length).toBeLessThan(32);
    expect(new Set(sent.map(({ message }) => message.id)).size).toBe(1);
    expect(reports).toEqual([expect.stringMatching(/gave up telling of job-1: it answered 500/)]);
    close();
  }, 30_000);

  test('stops at 410, and at the first that is taken', async () => {
    const { add, close, sent } = open(
      (n) => (n === 1 ? { tag: 'unwanted' } : n === 2 ? failed : { tag: 'delivered' }),
      () => ended,
    );
    await add('job-1', 'https://example.com/');
    await pass(10_000, 1_000);
    expect(sent).toHaveLength(1);
    await add('job-2', 'https://example.com/');
    await pass(120_000, 1_000);
    expect(sent).toHaveLength(3);
    expect(reports).toEqual([]);
    close();
  });

  test('tells at once what settles here, and within half a minute what nobody told of', async () => {
    let job = aState({ status: 'processing' });
    const { add, close, sent, states$ } = open(
      () => ({ tag: 'delivered' }),
      () => job,
    );
    await add('job-1', 'https://example.com/');
    await pass(5_000, 1_000);
    expect(sent).toEqual([]);
    job = ended;
    states$.next(ended);
    await pass(2_000, 1_000);
    expect(sent).toHaveLength(1);
    job = aState({ promptId: 'job-2', status: 'processing' });
    await add('job-2', 'https://example.com/');
    await pass(31_000, 1_000);
    job = aState({ promptId: 'job-2', status: 'failed' });
    await pass(31_000, 1_000);
    expect(sent).toHaveLength(2);
    close();
  });

  test('two on one store tell once; what one took and did not tell, the other does', async () => {
    const one = open(
      () => ({ tag: 'delivered' }),
      () => ended,
    );
    const other = open(
      () => ({ tag: 'delivered' }),
      () => ended,
    );
    for (let n = 0; n < 20; n += 1) await one.add(`job-${n}`, 'https://example.com/');
    await pass(5_000, 1_000);
    expect(one.sent.length + other.sent.length).toBe(20);
    await lastValueFrom(store.hooks.add({ promptId: 'x', text: '{"url":"https://e.com","at":0,"attempts":0}' }, 0), {
      defaultValue: undefined,
    });
    await lastValueFrom(store.hooks.claim(1, 30_000)); // and dies
    one.close();
    await pass(29_000, 1_000);
    expect(one.sent.length + other.sent.length).toBe(20);
    await pass(3_000, 1_000);
    expect(other.sent.at(-1)?.message.id).toBe('msg_x');
    other.close();
  });

  test('gives up on a job that is nowhere after hours, not at once, and on what is no webhook', async () => {
    const { add, close, sent } = open(
      () => failed,
      () => undefined,
    );
    await add('job-1', 'https://example.com/');
    await lastValueFrom(store.hooks.add({ promptId: 'junk', text: 'no JSON' }, 0), { defaultValue: undefined });
    await pass(3_600_000, 30_000);
    expect(reports).toEqual([expect.stringContaining('gave up telling of junk')]);
    await pass(3 * 3_600_000, 60_000);
    expect(reports.at(-1)).toContain('there is no such job');
    expect(sent).toEqual([]);
    close();
  });
});
