import { lastValueFrom } from 'rxjs';
import type { Report } from '../../../../index';
import { TooManyJobs } from '../../../../pipeline/api';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { bounds } from '../../../../streams/bounds';
import { aState } from '../../../streams/job/a-job';
import { hurriedClock } from '../../../support/pipeline/hurried-clock';
import { onOneRedis } from '../../../support/pipeline/one-redis';
import { PATIENCE_MS } from '../../../support/until';

const one = onOneRedis();

test('[R16] one cancel more than may wait for other instances is refused by name, and drops none of them', async () => {
  const patiently = (report: Report) =>
    redisStore({ url: one.redis.url, report, leaseTtlMs: 600_000, commandTimeoutMs: PATIENCE_MS });
  const elsewhere = patiently(() => undefined);
  const session = { clientId: 'suspended', serverUrl: one.comfy.url };
  await lastValueFrom(elsewhere.leases.hold(session));
  const ids = Array.from({ length: bounds.cancels + 1 }, (_, n) => `job-${n}`);
  const job = { serverUrl: one.comfy.url, clientId: session.clientId };
  await Promise.all(ids.map((promptId) => lastValueFrom(elsewhere.put(aState({ promptId, ...job })))));
  // Cancels are answered after half a second, and still wait.
  const { pipeline } = one.instance({ clock: hurriedClock(20), store: patiently });
  const [last = '', ...first] = ids;
  await Promise.all(first.map((promptId) => pipeline.cancel(promptId)));
  await expect(pipeline.cancel(last)).rejects.toThrow(TooManyJobs);
  expect(await pipeline.cancel(first[0] ?? '')).toMatchObject({ promptId: first[0] });
  await lastValueFrom(elsewhere.put(aState({ promptId: 'job-1', ...job, seq: 9, status: 'failed', phase: 'settled' })));
  expect(await pipeline.cancel('job-1')).toMatchObject({ status: 'failed' });
  await lastValueFrom(elsewhere.close(), { defaultValue: undefined });
});
