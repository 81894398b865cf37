import { lastValueFrom, toArray, type Observable } from 'rxjs';
import { STANDINGS } from '../../../sinks/listing/job-page';
import { redisStore } from '../../../sinks/redis/redis-store';
import { sharedRedis } from '../../support/redis/shared-redis';
import { aState } from '../a-state';
import { PATIENCE_MS } from '../../support/until';

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

const open = () => redisStore({ url: shared.server.url, report: () => undefined, commandTimeoutMs: PATIENCE_MS });

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

test('bytes of workflows are kept of users only; those that an older version kept of all users go with their jobs', async () => {
  const store = open();
  const [job, older] = ['a', 'b'].map((promptId) => aState({ promptId, status: 'processing', userId: 'ada' }));
  await lastValueFrom(store.put(older!));
  await shared.admin.hset(key('@', 'bytes'), { jb: 100, '': 100 });

  await lastValueFrom(store.put(job!, { tag: 'whole', prompt: { workflow: '{}' } }));
  expect(await shared.admin.hgetall(key('ada', 'bytes'))).toEqual({ ja: '2', '': '2' });
  expect(await shared.admin.hgetall(key('@', 'bytes'))).toEqual({ jb: '100', '': '100' });

  await lastValueFrom(store.put({ ...older!, status: 'completed', progress: 100, seq: older!.seq + 1 }));
  expect(await shared.admin.hgetall(key('@', 'bytes'))).toEqual({ '': '0' });
  await lastValueFrom(store.close(), { defaultValue: undefined });
});

describe('jobs that are filed together', () => {
  const jobs = ['a', 'b', 'c'].map((promptId, i) =>
    aState({ promptId, status: 'processing', userId: i === 0 ? 'ada' : 'bob', clientId: 'session' }),
  );
  const nextOwners = jobs.map((job) => ({ ...job, epoch: job.epoch + 1 }));
  const done = (work$: Observable<unknown>) => lastValueFrom(work$, { defaultValue: undefined });
  /** By their digests, or whole, as the first call of a connection is. */
  const scriptsCalled = async () => {
    const calls = (await shared.admin.info('commandstats')).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g);
    return [...calls].reduce((sum, [, many]) => sum + Number(many), 0);
  };
  const untilOf = (owner: string, promptId: string) => shared.admin.zscore(key(owner, 'until'), promptId).then(Number);

  /** What an instance before stored, a while ago, and another that takes it up. */
  async function scene() {
    const before = open();
    for (const job of jobs) await lastValueFrom(before.put(job));
    await done(before.close());
    for (const owner of ['@', 'ada', 'bob'])
      for (const { promptId } of jobs)
        await shared.admin.zadd(key(owner, 'until'), 'XX', 'INCR', -LONG_AGO_S, promptId);
    return open();
  }

  test('live on in all lists, and the next write of each is one script', async () => {
    const store = await scene();
    const before = await untilOf('bob', 'c');
    await done(store.refile(jobs));
    expect(await untilOf('bob', 'c')).toBeGreaterThanOrEqual(before + LONG_AGO_S);
    expect(await shared.admin.zrange('jobstream:watched:{session}', 0, '-1')).toEqual(['a', 'b', 'c']);
    const called = await scriptsCalled();
    for (const job of nextOwners) expect(await lastValueFrom(store.put(job))).toBe('stored');
    expect((await scriptsCalled()) - called).toBe(jobs.length);
    await done(store.close());
  });

  test('are in the lists again where those were lost', async () => {
    const store = await scene();
    await shared.admin.del(...(await shared.admin.keys('jobstream:jobs:*')));
    await done(store.refile(jobs));
    expect(await shared.admin.zcard(key('@', 'processing'))).toBe(3);
    expect(await lastValueFrom(store.usage('bob'))).toMatchObject({ jobs: 2 });
    await done(store.close());
  });

  test('[R1] stay where another instance filed their end meanwhile', async () => {
    const store = await scene();
    const other = open();
    const [job] = jobs;
    await lastValueFrom(other.put({ ...job!, status: 'completed', progress: 100, seq: job!.seq + 1 }));
    await done(store.refile(jobs));
    expect(await lastValueFrom(store.put(nextOwners[0]!))).toBe('stale');
    for (const owner of ['@', 'ada'])
      expect(await shared.admin.zrange(key(owner, 'completed'), 0, '-1')).toEqual(['a']);
    expect(await shared.admin.zrange(key('@', 'processing'), 0, '-1')).toEqual(['b', 'c']);
    await done(other.close());
    await done(store.close());
  });

  test('are filed anew where they were removed meanwhile', async () => {
    const store = await scene();
    const other = open();
    await done(store.refile(jobs));
    await lastValueFrom(other.remove('a'));
    expect(await lastValueFrom(store.put(nextOwners[0]!))).toBe('stored');
    expect(await lastValueFrom(store.usage('ada'))).toMatchObject({ jobs: 1 });
    await done(other.close());
    await done(store.close());
  });
});
