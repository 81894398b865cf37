import { randomUUID } from 'node:crypto';
import { BehaviorSubject, Subject, concat, first, lastValueFrom, mergeMap } from 'rxjs';
import type { Workflow } from '../../../pipeline/api';
import type { SessionKey } from '../../../sinks/leases';
import { leaseKey } from '../../../sinks/redis/leases/redis-leases';
import { SESSIONS_KEY } from '../../../sinks/redis/leases/session-registry';
import { redisStore } from '../../../sinks/redis/redis-store';
import { steps } from '../../support/comfyui/workflows';
import { hurriedClock } from '../../support/pipeline/hurried-clock';
import { expectForward, takenUp, type Instance } from '../../support/pipeline/pipelines';
import { until } from '../../support/until';
import { aState } from '../../sinks/a-state';
import { lasting, onOneRedis, progressed, short } from '../../support/pipeline/one-redis';

const one = onOneRedis();
const { instance, holdJobs, letJobsGo, owner } = one;

/** Another instance takes a session although its holder lives, as after the holder was cut off for too long. */
async function stolen(clientId: string): Promise<void> {
  const before = await owner(clientId);
  await until(async () => {
    await one.admin.del(leaseKey(clientId));
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

/** An instance that extends no lease while it is suspended: it does not learn that another has its sessions. */
function suspendable() {
  const isResumed$ = new BehaviorSubject(true);
  const a = instance({
    store: (report) => {
      const store = redisStore({ url: one.redis.url, report });
      const hold = store.leases.hold.bind(store.leases);
      const held = (session: SessionKey) =>
        isResumed$.pipe(
          first(Boolean),
          mergeMap(() => hold(session)),
        );
      return Object.assign(store, { leases: Object.assign(store.leases, { hold: held }) });
    },
  });
  return { ...a, suspend: () => isResumed$.next(false), resume: () => isResumed$.next(true) };
}

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
    expect(one.comfy.executions.get(job.promptId)).toBe(1);
  });

  test('brings jobs along that were posted under it by who did not know yet', async () => {
    const a = suspendable();
    holdJobs();
    const job = await a.run(lasting(2));
    const { clientId = '' } = job.states[0]!;
    await until(async () => (await owner(clientId)) !== null);
    // A learns of it once its lease is extended again, B looks for what A posted until then each 10 s.
    a.suspend();
    const b = instance({ clock: hurriedClock(8) });
    await stolen(clientId);
    await takenUp(b.pipeline, job.promptId);
    const late = await a.run(lasting(0.5));
    letJobsGo();
    expect(late.states[0]).toMatchObject({ clientId, status: 'queued' });
    a.resume();
    expect(await late.end).toMatchObject({ status: 'completed' });
    expect(await b.watch(late.promptId).end).toMatchObject({ status: 'completed', attempt: 1 });
    expect(one.comfy.executions.get(late.promptId)).toBe(1);
  });

  test('takes no job along that it does not watch', async () => {
    const a = instance();
    holdJobs();
    const job = await a.run(lasting(1.5));
    await until(async () => (await owner(job.states[0]?.clientId)) !== null);
    const another = randomUUID();
    await one.admin.hset(SESSIONS_KEY, another, JSON.stringify({ serverUrl: one.comfy.url }));
    const b = instance();
    await until(async () => (await owner(another)) !== null);
    letJobsGo();
    expect(await job.end).toMatchObject({ status: 'completed', epoch: job.states[0]!.epoch });
    expect((await b.pipeline.get(job.promptId))?.epoch).toBe(job.states[0]!.epoch);
  });
});

test('[R1] no job is stored before the lease of its session is taken: whoever finds it finds its holder', async () => {
  const opened$ = new Subject<never>();
  const a = instance({
    store: (report) => {
      const store = redisStore({ url: one.redis.url, report });
      const hold = store.leases.hold.bind(store.leases);
      Object.assign(store.leases, { hold: (session: SessionKey) => concat(opened$, hold(session)) });
      return store;
    },
  });
  const b = instance();
  const submitted = a.run(lasting(1));
  await (
    await b.run(short())
  ).end;
  const stored = await one.admin.keys('comfyui:job:*');
  opened$.complete();
  const job = await submitted;
  await job.end;
  expect(stored).not.toContain(`comfyui:job:${job.promptId}`);
  expect(new Set(job.states.map(({ epoch }) => epoch)).size).toBe(1);
});

describe('[R11] of a job that reports itself, whose holder does not know yet that another took its session', () => {
  async function takenUnnoticed() {
    const a = suspendable();
    const reported = { steps: 10, silentMs: 60_000 };
    const { promptId, session = '' } = await a.pipeline.open({ type: 'lora_training', userId: 'ada', reported });
    await a.pipeline.report(promptId, { count: 1, value: 1, max: 10 });
    a.suspend();
    const b = instance();
    await stolen(session);
    await takenUp(b.pipeline, promptId);
    return { a, b, promptId };
  }

  test('the end is taken by that', async () => {
    const { a, b, promptId } = await takenUnnoticed();
    const end = await a.pipeline.report(promptId, { count: 2, outputs: ['ada.safetensors'] });
    expect(end).toMatchObject({ status: 'completed' });
    expect(await b.pipeline.get(promptId)).toMatchObject({ status: 'completed', outputs: end.outputs });
  });

  test('the cancel is', async () => {
    const { a, b, promptId } = await takenUnnoticed();
    await a.pipeline.cancel(promptId);
    expect((await b.watch(promptId).end).failure?.kind).toBe('cancelled');
  });
});

test('three instances share what one leaves, each job watched by one', async () => {
  const a = instance();
  await a.run(lasting(1));
  const sessions = Array.from({ length: 6 }, () => randomUUID());
  const workflow = short() as Workflow;
  const jobs: string[] = [];
  const store = redisStore({ url: one.redis.url, report: () => 'as wanted' });
  for (const clientId of sessions) {
    const promptId = randomUUID();
    jobs.push(promptId);
    await lastValueFrom(
      store.put(aState({ promptId, clientId, serverUrl: one.comfy.url, status: 'queued', progress: 0 })),
    );
    await fetch(`${one.comfy.url}/prompt`, {
      method: 'POST',
      body: JSON.stringify({ prompt: workflow, prompt_id: promptId, client_id: clientId }),
    });
    await one.admin.hset(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl: one.comfy.url }));
  }
  await lastValueFrom(store.close(), { defaultValue: undefined });
  const [b, c] = [instance(), instance()];
  for (const promptId of jobs) expect(await c.watch(promptId).end).toMatchObject({ status: 'completed' });
  expect(jobs.map((promptId) => one.comfy.executions.get(promptId))).toEqual(jobs.map(() => 1));
  expect(await b.pipeline.storeHealthy()).toBe(true);
});
