import { redisStore } from '../../../../sinks/redis/redis-store';
import { jobKey } from '../../../../sinks/job-store';
import type { JobState } from '../../../../streams/job/job-state';
import { sharedRedis } from '../../../support/redis/shared-redis';
import { steps } from '../../../support/comfyui/workflows';
import { inWorld, type Followed } from '../../../system/outages/world';

const redis = sharedRedis();

/** Runs a job whose writes Redis holds up for so long while it runs; resolves with what is stored when its end is told. */
function heldUp(ms: number): Promise<string> {
  let stored = '';
  const storedStatus = async (promptId: string): Promise<string> =>
    (JSON.parse((await redis.admin.get(jobKey(promptId))) ?? '{}') as Partial<JobState>).status ?? 'none';
  const ended = async ({ promptId, end }: Followed): Promise<void> => {
    await end;
    stored = await storedStatus(promptId);
  };
  const store = redisStore({ url: redis.server.url, report: () => 'as wanted', commandTimeoutMs: 60_000 });
  return inWorld('0.33.0', { pipeline: { store } }, async ({ run, comfy }) => {
    comfy.faults.mostSteps = 5;
    const job = await run(steps({ steps: 10 }));
    await job.where(({ node }) => (node?.value ?? 0) > 0);
    await redis.admin.call('CLIENT', 'PAUSE', ms, 'WRITE');
    comfy.faults.mostSteps = Infinity;
    await ended(job);
    await redis.admin.call('CLIENT', 'UNPAUSE');
  }).then(() => stored);
}

test('[R1] an end is told once it is stored: who is killed in between has told nobody', async () => {
  expect(await heldUp(400)).toBe('completed');
});

test('[R12] a store that takes no write for long holds up no end', async () => {
  expect(await heldUp(600_000)).toBe('processing');
});
