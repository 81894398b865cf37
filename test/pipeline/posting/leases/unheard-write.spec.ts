import { redisStore } from '../../../../sinks/redis/redis-store';
import { deafLink, type DeafLink } from '../../../support/network/deaf-link';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { onOneRedis, short } from '../../../support/pipeline/one-redis';
import { takenUp } from '../../../support/pipeline/pipelines';
import { until } from '../../../support/until';

const one = onOneRedis();
let link: DeafLink;
beforeEach(async () => void (link = await deafLink(one.redis.port)));
afterEach(() => link.close());

/**
 * A job of an instance that ComfyUI does not answer, and that is cut off from Redis as it stores its first state, which
 * is stored all the same. Another instance has taken the job up.
 */
async function storedUnheard() {
  const store = (url: string) => (report: (where: string, error: unknown) => void) =>
    redisStore({ url, report, leaseTtlMs: 2_000, commandTimeoutMs: 10_000 });
  const a = one.instance({ store: store(`redis://127.0.0.1:${link.port}`), clock: hurriedClock(5) });
  const b = one.instance({ store: store(one.redis.url), clock: hurriedClock(20) });
  await until(async () => (await a.pipeline.storeHealthy()) && (await b.pipeline.storeHealthy()));
  await one.comfy.kill();
  link.cutAfter('"status":"queued"');
  const submitted = a.run(short());
  await until(async () => (await one.admin.keys('comfyui:job:*')).length === 1);
  const [key = ''] = await one.admin.keys('comfyui:job:*');
  const promptId = key.replace('comfyui:job:', '');
  await takenUp(b.pipeline, promptId);
  return { a, b, promptId, submitted };
}

test.each(['run', 'cancelled'])(
  '[R11] [R12] a job that was %s by its successor is not posted by who had it before, and has the session again',
  async (how) => {
    const { a, b, promptId, submitted } = await storedUnheard();
    if (how === 'cancelled') await b.pipeline.cancel(promptId);
    await one.comfy.start();
    const end = await b.watch(promptId).end;
    expect(end.failure?.kind).toBe(how === 'cancelled' ? 'cancelled' : undefined);
    await submitted;
    await until(async () => (await one.owner(end.clientId)) === null);
    link.mend();
    expect(await a.watch(promptId).end).toEqual(end);
    expect(await (await a.run(short())).end).toMatchObject({ status: 'completed' });
    expect(one.comfy.executions.get(promptId)).toBe(how === 'cancelled' ? undefined : 1);
  },
);
