import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { lastValueFrom, NEVER, of } from 'rxjs';
import type { Workflow } from '../../../pipeline/api';
import { leaseKey, SESSIONS_KEY } from '../../../sinks/redis/leases/redis-leases';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { aState } from '../../sinks/a-state';
import { until } from '../../support/until';
import { start, stopAll, submit } from '../../support/comfyui/client/comfyui-client';
import type { ComfyUIStandIn } from '../../support/comfyui/stand-in';
import { steps } from '../../support/comfyui/workflows';
import {
  anInstance,
  closeAll,
  expectForward,
  takenUp,
  type Instance,
  type InstanceOptions,
} from '../../support/pipeline/pipelines';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';

/** A step each 50 ms. */
const lasting = (seconds: number) => steps({ steps: seconds * 20, secondsPerStep: 0.05 });
const short = () => steps({ steps: 2, secondsPerStep: 0.02 });
const progressed = ({ progress }: JobState): boolean => progress > 5;

let redis: RedisServer;
let admin: Redis;
let comfy: ComfyUIStandIn;

beforeAll(async () => {
  redis = await startRedis();
  admin = new Redis(redis.url, { retryStrategy: () => 20 });
  admin.on('error', () => 'as wanted');
});
afterAll(async () => {
  await admin.quit();
  await redis.stop();
});
beforeEach(async () => {
  await admin.flushall();
  comfy = await start();
});
afterEach(async () => {
  await closeAll();
  await stopAll();
});

/** Until they are let go, jobs stay where they are progressed, however long it takes to see what is to be seen. */
const holdJobs = (): void => void (comfy.faults.mostSteps = 15);
const letJobsGo = (): void => void (comfy.faults.mostSteps = Infinity);

/** An instance on the one Redis. */
const instance = (options: Partial<InstanceOptions> = {}): Instance =>
  anInstance({ servers: [comfy.url], store: (report) => redisStore({ url: redis.url, report }), ...options });

const stored = async (promptId: string): Promise<JobState | undefined> => {
  const json = await admin.get(`comfyui:job:${promptId}`);
  return json === null ? undefined : (JSON.parse(json) as JobState);
};
const owner = (clientId = ''): Promise<string | null> => admin.get(leaseKey(clientId));

/** How often instances have looked for sessions that nobody holds. */
async function sweeps(): Promise<number> {
  const stats = await admin.info('commandstats');
  return Number(/cmdstat_hgetall:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

/** Another instance takes a session although its holder lives, as after the holder was cut off for too long. */
async function stolen(clientId: string): Promise<void> {
  const before = await owner(clientId);
  await until(async () => {
    await admin.del(leaseKey(clientId));
    await until(async () => (await owner(clientId)) !== null);
    return (await owner(clientId)) !== before;
  });
}

/** Runs jobs until one is posted under another session than this. */
async function anotherSession({ run }: Instance, clientId: string): ReturnType<Instance['run']> {
  for (;;) {
    const job = await run(steps({ steps: 40, secondsPerStep: 0.05 }));
    if (job.states[0]?.clientId !== clientId) return job;
    await job.end;
  }
}

describe('an instance that closes', () => {
  test('hands its jobs over at once; their frames go on, and each ran once', async () => {
    // Nobody can wait for its leases to run out.
    const store: InstanceOptions['store'] = (report) => redisStore({ url: redis.url, report, leaseTtlMs: 3_600_000 });
    const [a, b] = [instance({ store }), instance({ store })];
    holdJobs();
    const job = await a.run(lasting(2.5));
    await job.where(progressed);
    await a.pipeline.close();
    const [state] = (await takenUp(b.pipeline, job.promptId)).filter(({ promptId }) => promptId === job.promptId);
    expect(state).toMatchObject({ status: 'processing' });
    const here = b.watch(job.promptId);
    const running = await here.where(({ status }) => status === 'processing');
    expect(running.epoch).toBeGreaterThan(job.states[0]!.epoch);
    letJobsGo();
    await here.where(({ via, progress }) => via === 'websocket' && progress > running.progress);
    const end = await here.end;
    expect(end).toMatchObject({ status: 'completed', progress: 100, attempt: 1 });
    expect(end.outputs).toHaveLength(1);
    expect(comfy.executions.get(job.promptId)).toBe(1);
    expectForward(here.states);
  });

  test('[R2, R11] is not missed by who watches elsewhere: the epoch, the order and the progress go on', async () => {
    const [a, b] = [instance(), instance()];
    holdJobs();
    const job = await a.run(lasting(2.5));
    await job.where(progressed);
    const elsewhere = b.watch(job.promptId);
    await elsewhere.where(progressed);
    await a.pipeline.close();
    letJobsGo();
    await elsewhere.end;
    expectForward(elsewhere.states);
    expect(new Set(elsewhere.states.map(({ epoch }) => epoch)).size).toBe(2);
    expect(elsewhere.states.at(-1)).toMatchObject({ status: 'completed', progress: 100 });
    // Watchers here are told first, then the store.
    await until(async () => (await stored(job.promptId))?.status === 'completed');
    expect(await stored(job.promptId)).toEqual(elsewhere.states.at(-1));
  });

  test('does not forget a session whose jobs it has not taken up yet', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(4));
    await job.where(progressed);
    await a.pipeline.close();
    const clientId = job.states[0]?.clientId;
    const hasty = instance({
      store: (report) => ({ ...redisStore({ url: redis.url, report }), list: () => NEVER }),
    });
    await until(async () => (await owner(clientId)) !== null);
    await hasty.pipeline.close();
    const b = instance();
    await takenUp(b.pipeline, job.promptId);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed', progress: 100 });
  });

  test('[R1] a job that ended while it was being taken up is not taken up', async () => {
    const a = instance();
    const job = await a.run(short());
    const end = await job.end;
    await until(async () => (await stored(job.promptId))?.status === 'completed');
    // As it was read before it ended; of no session, so that whoever finds it may take it up.
    const { finishedAt: _f, outputs: _o, clientId: _c, ...before } = end;
    const late: JobState = { ...before, status: 'processing', phase: 'running', progress: 10, seq: 2 };
    const seen: JobState[] = [];
    const b = instance({
      store: (report) => ({ ...redisStore({ url: redis.url, report }), list: () => of(late) }),
    });
    b.pipeline.states$.subscribe((state) => seen.push(state));
    // What it began with is done with before what it is given later.
    expect(await (await b.run(short())).end).toMatchObject({ status: 'completed' });
    expect(seen.filter(({ promptId }) => promptId === job.promptId)).toEqual([]);
    expect(await stored(job.promptId)).toEqual(end);
  });

  test('leaves nothing behind where it has no jobs', async () => {
    const a = instance();
    const job = await a.run(short());
    await job.end;
    await until(async () => (await admin.hlen(SESSIONS_KEY)) > 0);
    await a.pipeline.close();
    const isOfJobs = (key: string): boolean => key.includes('fence') || key.startsWith('jobstream:jobs:');
    expect((await admin.keys('jobstream:*')).filter((key) => !isOfJobs(key))).toEqual([]);
    expect(await stored(job.promptId)).toMatchObject({ status: 'completed' });
  });

  test('hands what waits in the queue over too, and the next instance takes up what nobody did meanwhile', async () => {
    const a = instance();
    holdJobs();
    const jobs = [await a.run(lasting(2)), await a.run(short()), await a.run(short())];
    await a.pipeline.close();
    const b = instance();
    for (const { promptId } of jobs) await takenUp(b.pipeline, promptId);
    letJobsGo();
    const ends = await Promise.all(jobs.map(({ promptId }) => b.watch(promptId).end));
    expect(ends.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    expect(jobs.map(({ promptId }) => comfy.executions.get(promptId))).toEqual([1, 1, 1]);
  });
});

describe('any instance', () => {
  test('answers for jobs that another holds', async () => {
    const [a, b] = [instance(), instance()];
    holdJobs();
    const job = await a.run(lasting(1));
    await job.where(progressed);
    expect(await b.pipeline.get(job.promptId)).toMatchObject({ promptId: job.promptId, status: 'processing' });
    expect((await b.pipeline.list({ userId: 'ada' })).jobs.map(({ promptId }) => promptId)).toEqual([job.promptId]);
    expect((await a.pipeline.list()).jobs.map(({ promptId }) => promptId)).toEqual([job.promptId]);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed' });
    expect(await b.pipeline.get(job.promptId)).toEqual(await a.pipeline.get(job.promptId));
  });

  test('cancels a job that another holds: it is cancelled, not interrupted', async () => {
    const [a, b] = [instance(), instance()];
    const running = await a.run(lasting(100));
    const waiting = await a.run(short());
    await running.where(progressed);
    for (const job of [waiting, running]) {
      await b.pipeline.cancel(job.promptId);
      expect((await job.end).failure?.kind).toBe('cancelled');
      expect((await b.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    }
    expect(comfy.executions.has(waiting.promptId)).toBe(false);
    expect(await b.pipeline.cancel(running.promptId)).toMatchObject({ status: 'failed' });
    expect(await b.pipeline.cancel('nobody')).toBeUndefined();
  });

  test('cancels a job whose holder closes just then', async () => {
    const [a, b, c] = [instance(), instance(), instance()];
    const job = await a.run(lasting(100));
    await job.where(progressed);
    const closing = a.pipeline.close();
    await c.pipeline.cancel(job.promptId);
    expect((await c.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    expect((await b.watch(job.promptId).end).failure?.kind).toBe('cancelled');
    await closing;
  });
});

describe('a session that another instance took', () => {
  test('takes its jobs along, its watchers too; the loser goes on under a session of its own', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(5));
    await job.where(progressed);
    const { clientId = '' } = job.states[0]!;
    await until(async () => (await owner(clientId)) !== null);
    const b = instance();
    await stolen(clientId);
    await takenUp(b.pipeline, job.promptId);
    const { epoch } = (await b.pipeline.get(job.promptId))!;
    expect(epoch).toBeGreaterThan(job.states[0]!.epoch);
    // A learns of it, and its watcher hears B from then on.
    await job.where((state) => state.epoch === epoch);
    letJobsGo();
    expect(await job.end).toMatchObject({ status: 'completed', epoch });
    expectForward(job.states);
    const next = await anotherSession(a, clientId);
    await next.where(({ via, status }) => status === 'processing' && via === 'websocket');
    expect(await next.end).toMatchObject({ status: 'completed' });
    expect(comfy.executions.get(job.promptId)).toBe(1);
  });

  test('brings jobs along that were posted under it by who did not know yet', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(2));
    const { clientId = '' } = job.states[0]!;
    await until(async () => (await owner(clientId)) !== null);
    // A learns of it within 3 s, B looks for what A posted until then each 10 s.
    const b = instance({ clock: hurriedClock(8) });
    await stolen(clientId);
    await takenUp(b.pipeline, job.promptId);
    const late = await a.run(lasting(0.5));
    letJobsGo();
    expect(late.states[0]).toMatchObject({ clientId, status: 'queued' });
    expect(await late.end).toMatchObject({ status: 'completed' });
    expect(await b.watch(late.promptId).end).toMatchObject({ status: 'completed', attempt: 1 });
    expect(comfy.executions.get(late.promptId)).toBe(1);
  });

  test('takes no job along that it does not watch', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(1.5));
    await until(async () => (await owner(job.states[0]?.clientId)) !== null);
    const another = randomUUID();
    await admin.hset(SESSIONS_KEY, another, JSON.stringify({ serverUrl: comfy.url }));
    const b = instance();
    await until(async () => (await owner(another)) !== null);
    letJobsGo();
    expect(await job.end).toMatchObject({ status: 'completed', epoch: job.states[0]!.epoch });
    expect((await b.pipeline.get(job.promptId))?.epoch).toBe(job.states[0]!.epoch);
  });
});

describe('what is found in the store', () => {
  const put = (state: JobState): Promise<unknown> =>
    admin.set(`comfyui:job:${state.promptId}`, JSON.stringify(state), 'EX', 600);
  const posted = async (workflow: object, clientId?: string): Promise<string> => {
    const promptId = randomUUID();
    const client = clientId === undefined ? {} : { client_id: clientId };
    await fetch(`${comfy.url}/prompt`, {
      method: 'POST',
      body: JSON.stringify({ prompt: workflow, prompt_id: promptId, ...client }),
    });
    return promptId;
  };

  test('of somebody else, without a session, is adopted by one instance, and ends', async () => {
    const promptId = await posted(lasting(1));
    await put(aState({ promptId, serverUrl: comfy.url, status: 'queued', progress: 0, phase: 'waiting' }));
    const [a, b] = [instance(), instance()];
    expect(await a.watch(promptId).end).toMatchObject({ status: 'completed', progress: 100 });
    expect(await b.watch(promptId).end).toMatchObject({ status: 'completed' });
    expect((await stored(promptId))?.session).toBeDefined();
    expect(comfy.executions.get(promptId)).toBe(1);
  });

  test('of a server that is not served is left alone, its session too, for who serves it', async () => {
    const other = await start();
    const session = randomUUID();
    const promptId = randomUUID();
    const state = aState({ promptId, serverUrl: other.url, clientId: session, status: 'queued', progress: 0 });
    await put(state);
    await admin.hset(SESSIONS_KEY, session, JSON.stringify({ serverUrl: other.url }));
    const ours = { promptId: await posted(short()), serverUrl: comfy.url };
    await put(aState({ ...ours, status: 'queued' }));
    const a = instance({ clock: hurriedClock(8) });
    await takenUp(a.pipeline, ours.promptId);
    await a.watch(ours.promptId).end;
    const before = await sweeps();
    await until(async () => (await sweeps()) > before + 2);
    expect(await owner(session)).toBeNull();
    expect(await stored(promptId)).toEqual(state);
    const b = instance({ servers: [other.url] });
    await takenUp(b.pipeline, promptId);
    expect(await owner(session)).not.toBeNull();
    expect((await b.watch(promptId).end).failure?.kind).toBe('lost');
  });

  test('of a session that was forgotten meanwhile is taken up all the same, and ends', async () => {
    const watching = instance();
    const promptId = randomUUID();
    const clientId = randomUUID();
    holdJobs();
    await submit(comfy, lasting(2), { client_id: clientId, prompt_id: promptId });
    const state = aState({ promptId, clientId, serverUrl: comfy.url, epoch: 1, updatedAt: Date.now() });
    await admin.set(`comfyui:job:${promptId}`, JSON.stringify(state));
    const other = instance();
    await until(async () => ((await stored(promptId))?.epoch ?? 0) > 1);
    letJobsGo();
    expect(await watching.watch(promptId).end).toMatchObject({ status: 'completed' });
    expect(await other.watch(promptId).end).toMatchObject({ status: 'completed' });
  });

  test('settled is left as it is', async () => {
    const states = (['completed', 'failed'] as const).map((status) =>
      aState({ promptId: randomUUID(), status, serverUrl: comfy.url, phase: 'settled', clientId: 'gone' }),
    );
    for (const state of states) await put(state);
    await admin.hset(SESSIONS_KEY, 'gone', JSON.stringify({ serverUrl: comfy.url }));
    const a = instance();
    await until(async () => (await owner('gone')) !== null);
    const job = await a.run(short());
    await job.end;
    for (const state of states) expect(await stored(state.promptId)).toEqual(state);
  });
});

describe('[R12] while Redis is down', () => {
  let down = false;
  const kill = async (): Promise<void> => {
    await redis.kill();
    down = true;
  };
  const comeBack = async (): Promise<void> => {
    if (down) await redis.start();
    down = false;
  };
  afterEach(comeBack);

  test('from the start on, jobs run, are watched and cancelled, and are written when it comes', async () => {
    await kill();
    const a = instance();
    const job = await a.run(short());
    const cancelled = await a.run(lasting(100));
    await a.pipeline.cancel(cancelled.promptId);
    expect(await job.end).toMatchObject({ status: 'completed', progress: 100 });
    expect((await cancelled.end).failure?.kind).toBe('cancelled');
    expect(await a.pipeline.storeHealthy()).toBe(false);
    holdJobs();
    const running = await a.run(lasting(3.5));
    await running.where(progressed);
    await comeBack();
    for (const { promptId, states } of [job, cancelled])
      await until(async () => JSON.stringify(await stored(promptId)) === JSON.stringify(states.at(-1)));
    await until(async () => (await stored(running.promptId)) !== undefined);
    await until(async () => (await owner(running.states[0]?.clientId)) !== null);
    letJobsGo();
    expect(await running.end).toMatchObject({ status: 'completed' });
    expect(comfy.executions.get(job.promptId)).toBe(1);
  });

  test('a workflow that could not be kept is kept when it comes: the job may be run again', async () => {
    await kill();
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(3), { onLost: 'resubmit' });
    await job.where(progressed);
    await comeBack();
    await until(async () => (await admin.exists(`{comfyui:job:${job.promptId}}:workflow`)) === 1);
    letJobsGo();
    expect(await job.end).toMatchObject({ status: 'completed' });
  });

  test('a job that was never stored is another instance’s after its own closes', async () => {
    await kill();
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(4));
    await job.where(progressed);
    await comeBack();
    const b = instance();
    await until(async () => (await stored(job.promptId)) !== undefined);
    await a.pipeline.close();
    await takenUp(b.pipeline, job.promptId);
    letJobsGo();
    expect(await b.watch(job.promptId).end).toMatchObject({ status: 'completed' });
    expect(comfy.executions.get(job.promptId)).toBe(1);
  });
});

test('three instances share what one leaves, each job watched by one', async () => {
  const a = instance();
  await a.run(lasting(1));
  const sessions = Array.from({ length: 6 }, () => randomUUID());
  const workflow = short() as Workflow;
  const jobs: string[] = [];
  const store = redisStore({ url: redis.url, report: () => 'as wanted' });
  for (const clientId of sessions) {
    const promptId = randomUUID();
    jobs.push(promptId);
    await lastValueFrom(store.put(aState({ promptId, clientId, serverUrl: comfy.url, status: 'queued', progress: 0 })));
    await fetch(`${comfy.url}/prompt`, {
      method: 'POST',
      body: JSON.stringify({ prompt: workflow, prompt_id: promptId, client_id: clientId }),
    });
    await admin.hset(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl: comfy.url }));
  }
  await lastValueFrom(store.close(), { defaultValue: undefined });
  const [b, c] = [instance(), instance()];
  for (const promptId of jobs) expect(await c.watch(promptId).end).toMatchObject({ status: 'completed' });
  expect(jobs.map((promptId) => comfy.executions.get(promptId))).toEqual(jobs.map(() => 1));
  expect(await b.pipeline.storeHealthy()).toBe(true);
});
