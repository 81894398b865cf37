import { lastValueFrom, toArray } from 'rxjs';
import { STANDINGS } from '../../../sinks/listing/job-page';
import { redisStore } from '../../../sinks/redis/redis-store';
import { sharedRedis } from '../../support/redis/shared-redis';
import { aState } from '../a-state';

const shared = sharedRedis();

const key = (owner: string, name: string) => `jobstream:jobs:{${owner}}:${name}`;
const LONG_AGO_S = 300;

/** As whoever dies after it stored a job's end leaves the sets of these owners, minutes later: the end is in none. */
async function movedBack(promptId: string, startedAt: number, owners: readonly string[]): Promise<void> {
  for (const owner of owners) {
    for (const standing of STANDINGS) await shared.admin.zrem(key(owner, standing), promptId);
    await shared.admin.zadd(key(owner, 'processing'), startedAt, promptId);
    await shared.admin.zincrby(key(owner, 'until'), -LONG_AGO_S, promptId);
  }
}

const open = () => redisStore({ url: shared.server.url, report: () => undefined });

test.each([
  { where: 'a look at all live jobs', owners: ['@', 'ada'], userId: undefined },
  { where: 'a list of theirs', owners: ['ada', '@'], userId: 'ada' },
])('a job that $where finds ended is no more under way to its user, nor to all', async ({ owners, userId }) => {
  const store = open();
  const job = aState({ status: 'processing', userId: 'ada' });
  await lastValueFrom(store.put(job));
  await lastValueFrom(store.put({ ...job, status: 'completed', progress: 100, seq: job.seq + 1 }));
  await movedBack(job.promptId, job.startedAt, owners);
  expect(await lastValueFrom(store.usage('ada'))).toMatchObject({ jobs: 1 });

  if (userId === undefined) expect(await lastValueFrom(store.live().pipe(toArray()))).toEqual([]);
  else await lastValueFrom(store.page({ userId, limit: 10 }));

  expect(await lastValueFrom(store.usage('ada'))).toMatchObject({ jobs: 0 });
  for (const owner of owners) {
    expect(await shared.admin.zcard(key(owner, 'processing'))).toBe(0);
    expect(await shared.admin.zcard(key(owner, 'completed'))).toBe(1);
  }
  await lastValueFrom(store.close(), { defaultValue: undefined });
});

test('an entry that stands right is not kept any longer where another of its job is healed', async () => {
  const store = open();
  const job = aState({ status: 'processing', userId: 'ada' });
  await lastValueFrom(store.put(job));
  await lastValueFrom(store.put({ ...job, status: 'completed', progress: 100, seq: job.seq + 1 }));
  await movedBack(job.promptId, job.startedAt, ['@']);
  await shared.admin.zincrby(key('ada', 'until'), -LONG_AGO_S, job.promptId);
  const until = await shared.admin.zscore(key('ada', 'until'), job.promptId);

  await lastValueFrom(store.live().pipe(toArray()));

  expect(await shared.admin.zcard(key('@', 'completed'))).toBe(1);
  expect(await shared.admin.zscore(key('ada', 'until'), job.promptId)).toBe(until);
  await lastValueFrom(store.close(), { defaultValue: undefined });
});
