import { leaseKey, RELEASED_CHANNEL } from '../../../sinks/redis/leases/redis-leases';
import { redisStore } from '../../../sinks/redis/redis-store';
import type { JobState } from '../../../streams/job/job-state';
import { submit } from '../../support/comfyui/client/comfyui-client';
import { tcpProxy } from '../../support/network/tcp-proxy';
import { takenUp } from '../../support/pipeline/pipelines';
import { until } from '../../support/until';
import { lasting, onOneRedis, short } from '../../support/pipeline/one-redis';

const one = onOneRedis();

test('[R7] a job that waits is followed though the suspended instance that had its session closes its socket late', async () => {
  const link = await tcpProxy(one.redis.url.replace('redis:', 'http:'));
  const suspended = one.instance({
    store: (report) => redisStore({ url: link.url.replace('http:', 'redis:'), report }),
  });
  // Of a stranger: of our own, frames would be missed, and the socket replaced for that.
  one.holdJobs();
  await submit(one.comfy, lasting(2));
  const { promptId } = await suspended.run(short());
  let state: JobState | undefined;
  await until(async () => (state = await one.stored(promptId))?.queuePosition === 1);
  const ends: string[] = [];
  const successor = one.instance({
    // No look finds out by itself.
    timing: { auditMs: 3_600_000 },
    telemetry: (event) => {
      if (event.tag === 'socketEnded') ends.push(event.end);
    },
  });
  await until(() => one.comfy.sockets() === 2);
  link.pause();
  await one.admin.del(leaseKey(state?.clientId ?? ''));
  await one.admin.spublish(RELEASED_CHANNEL, 'a test');
  await takenUp(successor.pipeline, promptId);
  const taken = successor.watch(promptId);
  await until(() => successor.pipeline.servers()[0]?.via === 'websocket');
  // A `status` for all: what is accepted must be followed by one, too.
  await submit(one.comfy, short());
  await taken.where(({ status }) => status === 'queued');
  ends.length = 0;
  link.resume();
  // ComfyUI knows one socket a session, and forgets the successor's by the close of the other.
  await until(() => ends.includes('deaf'));
  one.letJobsGo();
  expect(await taken.end).toMatchObject({ status: 'completed', via: 'websocket' });
  await link.close();
});
