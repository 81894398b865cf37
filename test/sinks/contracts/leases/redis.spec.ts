import { askChannel, leaseKey, RELEASED_CHANNEL } from '../../../../sinks/redis/leases/redis-leases';
import { SESSIONS_KEY } from '../../../../sinks/redis/leases/session-registry';
import { leasesContract } from './contract';
import { until } from '../../../support/until';
import { hold, leasesOnRedis, orphans, release, session } from './leases-on-redis';

describe('with a real Redis', () => {
  const { open, reports, listenersTo, register, shared } = leasesOnRedis();

  leasesContract('the leases of the Redis store', () =>
    Promise.resolve({
      leases: open(),
      reports,
      listening: (clientId) => until(async () => (await listenersTo(askChannel(clientId))) === 1),
      abandon: async (key) => {
        await register(key);
      },
      dispose: () => Promise.resolve(),
    }),
  );

  it('are held by one instance, until it gives them back', async () => {
    const [one, other] = [open(), open()];
    expect(await hold(one)).toBe('held');
    expect(await hold(other)).toBe('taken');
    await release(other);
    expect(await hold(other)).toBe('taken');
    await release(one);
    expect(await hold(other)).toBe('held');
    expect(await hold(one)).toBe('taken');
  });

  it('are held by one of many that ask at once', async () => {
    const all = Array.from({ length: 8 }, () => open());
    const outcomes = await Promise.all(all.map((leases) => hold(leases)));
    expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
  });

  it('run out, as announced, and are then an orphan', async () => {
    const [one, other] = [open(60_000), open()];
    await hold(one);
    const { sessions, nextInMs = 0 } = await orphans(other);
    expect(sessions).toEqual([]);
    expect(nextInMs).toBeGreaterThan(0);
    expect(nextInMs).toBeLessThanOrEqual(60_000);
    // As it would be a minute later.
    await shared.admin.pexpire(leaseKey(session.clientId), 50);
    await until(async () => (await orphans(other)).sessions.length === 1);
    expect(await orphans(other)).toEqual({ sessions: [session] });
    expect(await hold(other)).toBe('held');
    expect(await hold(one)).toBe('taken');
  });

  it('last as long as they are extended, from the attempt on', async () => {
    const [one, other] = [open(2_000), open()];
    for (let i = 0; i < 8; i++) {
      expect(await hold(one)).toBe('held');
      expect(await hold(other)).toBe('taken');
      await new Promise((resolve) => setTimeout(resolve, 350));
    }
  });

  it('that ran out are noticed by whoever held and by whoever saw them, though the clock was set back meanwhile', async () => {
    const [one, other] = [open(), open()];
    const listening = other.released$.subscribe();
    await until(async () => (await listenersTo(RELEASED_CHANNEL)) === 1);
    await hold(one);
    expect((await orphans(other)).sessions).toEqual([]);
    const before = Date.now() - 3_600_000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(before);
    await shared.admin.del(leaseKey(session.clientId));
    expect(await orphans(other)).toEqual({ sessions: [session] });
    expect(await orphans(one)).toEqual({ sessions: [session] });
    clock.mockRestore();
    listening.unsubscribe();
  });

  it('announce the earliest end only', async () => {
    const one = open();
    await hold(open(50_000), { ...session, clientId: 'soon' });
    await hold(open(500_000), { ...session, clientId: 'late' });
    const { nextInMs = 0 } = await orphans(one);
    expect(nextInMs).toBeGreaterThan(0);
    expect(nextInMs).toBeLessThanOrEqual(50_000);
  });

  it('tell others that one was given back, and not who gave it', async () => {
    const [one, other] = [open(), open()];
    const heard: string[] = [];
    const listening = [
      one.released$.subscribe(() => heard.push('one')),
      other.released$.subscribe(() => heard.push('other')),
    ];
    await until(async () => (await listenersTo(RELEASED_CHANNEL)) === 2);
    await hold(one);
    await release(one);
    await until(() => heard.length > 0);
    expect(await orphans(other)).toEqual({ sessions: [session] });
    expect(heard).toEqual(['other']);
    listening.forEach((each) => each.unsubscribe());
  });

  it('leave nothing of what was forgotten', async () => {
    const [one, other] = [open(), open()];
    await hold(one);
    await release(one, true);
    expect(await shared.admin.keys('*')).toEqual([]);
    expect(await orphans(other)).toEqual({ sessions: [] });
  });

  it('are not forgotten by who does not hold them', async () => {
    const [one, other] = [open(), open()];
    await hold(one);
    await release(other, true);
    await shared.admin.del(leaseKey(session.clientId));
    await release(one, true);
    expect(await orphans(other)).toEqual({ sessions: [session] });
  });

  it('keep to keys that begin with jobstream:', async () => {
    await hold(open());
    expect((await shared.admin.keys('*')).sort()).toEqual(['jobstream:lease:{client-1}', 'jobstream:sessions']);
  });

  it('are registered when they are held, and again if the registry was lost', async () => {
    const [one, other] = [open(), open()];
    await hold(one);
    await shared.admin.flushall();
    expect(await hold(one)).toBe('held');
    await shared.admin.del(leaseKey(session.clientId));
    expect(await orphans(other)).toEqual({ sessions: [session] });
  });

  it('are found by nobody before they have an owner: leases are taken before they are registered', async () => {
    const connection = shared.admin.duplicate();
    const monitor = await connection.monitor();
    const touched: string[] = [];
    monitor.on('monitor', (_, args: string[]) => {
      for (const key of [leaseKey(session.clientId), SESSIONS_KEY]) if (args.includes(key)) touched.push(key);
    });
    await hold(open());
    await until(() => touched.includes(SESSIONS_KEY));
    monitor.disconnect();
    connection.disconnect();
    expect(touched.indexOf(leaseKey(session.clientId))).toBe(0);
  });

  it('may have their commands sent twice, as ioredis does', async () => {
    const one = open();
    await hold(one);
    const owner = await shared.admin.get(leaseKey(session.clientId));
    for (const forget of [false, true]) {
      await hold(one);
      await hold(one);
      await release(one, forget);
      await release(one, forget);
    }
    expect(await hold(one)).toBe('held');
    expect(await shared.admin.get(leaseKey(session.clientId))).toBe(owner);
    expect(await hold(open())).toBe('taken');
  });
});
