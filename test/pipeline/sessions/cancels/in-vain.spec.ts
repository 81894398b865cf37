import { once } from 'node:events';
import { Redis } from 'ioredis';
import { askChannel, leaseKey, RELEASED_CHANNEL } from '../../../../sinks/redis/leases/redis-leases';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { isSettled, type JobState } from '../../../../streams/job/job-state';
import { tcpProxy, type TcpProxy } from '../../../support/network/tcp-proxy';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { takenUp } from '../../../support/pipeline/pipelines';
import { until } from '../../../support/until';
import { lasting, onOneRedis, progressed } from '../../../support/pipeline/one-redis';

const one = onOneRedis();
let link: TcpProxy;
let listener: Redis;

beforeEach(async () => {
  link = await tcpProxy(one.redis.url.replace('redis:', 'http:'));
  listener = new Redis(one.redis.url);
});
afterEach(async () => {
  await listener.quit();
  await link.close();
});

/** An instance whose way to Redis can be cut, with a job that goes on. */
async function aJobBehindTheLink() {
  const a = one.instance({ store: (report) => redisStore({ url: link.url.replace('http:', 'redis:'), report }) });
  one.holdJobs();
  const job = await a.run(lasting(3));
  await job.where(progressed);
  let state: JobState | undefined;
  await until(async () => (state = await one.stored(job.promptId))?.status === 'processing');
  return { a, promptId: job.promptId, clientId: state?.clientId ?? '' };
}

/** What is asked of a session's holder, whoever hears it. */
async function asks(clientId: string): Promise<() => Promise<unknown>> {
  await listener.ssubscribe(askChannel(clientId));
  return () => once(listener, 'smessage');
}

/** As after ten seconds in which it was not extended. */
async function lapse(clientId: string): Promise<void> {
  await one.admin.del(leaseKey(clientId));
  await one.admin.spublish(RELEASED_CHANNEL, 'a test');
}

const halveOpen = (): void => {
  link.cutClients();
  link.refuse();
};

test.each([
  ['suspended', () => link.pause(), () => link.resume()],
  ['cut off, with its link half open', halveOpen, () => link.accept()],
])('a cancel is obeyed whose holder is %s: by whoever takes the job up', async (_how, cut, mend) => {
  const { promptId, clientId } = await aJobBehindTheLink();
  const b = one.instance({ clock: hurriedClock(8) });
  await until(() => b.pipeline.storeHealthy());
  cut();
  const asked = await asks(clientId);
  const taken = takenUp(b.pipeline, promptId);
  const heard = asked();
  const answer = b.pipeline.cancel(promptId);
  await heard;
  // Asking outlives the answer.
  await answer;
  await lapse(clientId);
  await taken;
  const end = await b.watch(promptId).end;
  expect(end).toMatchObject({ status: 'failed', failure: { kind: 'cancelled' } });
  mend();
});

test('a cancel of another’s job is answered with a state that shows it, and asked no more', async () => {
  const { a, promptId, clientId } = await aJobBehindTheLink();
  const waiting = await a.run(lasting(1));
  await waiting.where(({ queuePosition }) => queuePosition !== undefined);
  const b = one.instance();
  const asked = await asks(clientId);
  const heard = asked();
  const answer = await b.pipeline.cancel(waiting.promptId);
  await heard;
  expect(answer !== undefined && (isSettled(answer) || answer.cancelAskedAt !== undefined)).toBe(true);
  expect(await waiting.end).toMatchObject({ failure: { kind: 'cancelled' } });
  const next = asked();
  await b.pipeline.cancel(promptId);
  expect(await next).toMatchObject({ 1: expect.stringContaining(promptId) as string });
  one.letJobsGo();
});
