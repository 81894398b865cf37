import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { embeddedStore } from '../../../sinks/embedded/embedded-store';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import type { SessionKey } from '../../../sinks/leases';
import { askChannel, leaseKey, RELEASED_CHANNEL } from '../../../sinks/redis/leases/redis-leases';
import { SESSIONS_KEY } from '../../../sinks/redis/leases/session-registry';
import { redisStore } from '../../../sinks/redis/redis-store';
import { builtScript } from '../../support/programs/built';
import { sharedRedis } from '../../support/redis/shared-redis';
import { aState } from '../a-state';
import { leasesContract } from './leases.contract';
import { PATIENCE_MS, until } from '../../support/until';

const close = (store: JobStore) => lastValueFrom(store.close(), { defaultValue: undefined });
const session: SessionKey = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };

describe('the embedded store', () => {
  let directory: string;
  let store: JobStore;
  const reports: unknown[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'jobstream-'));
    store = embeddedStore({ directory, report: (_where, error) => reports.push(error) });
  });
  const dispose = async () => {
    await close(store);
    await rm(directory, { recursive: true });
  };

  leasesContract('its leases', () =>
    Promise.resolve({
      leases: store.leases,
      reports,
      listening: () => Promise.resolve(),
      abandon: async ({ clientId, serverUrl }) => {
        await lastValueFrom(store.put(aState({ promptId: `of ${clientId}`, clientId, serverUrl })));
      },
      dispose,
    }),
  );

  it('finds what the process before it left, once: unsettled jobs of whoever watched them', async () => {
    const jobs = [
      { promptId: 'a', clientId: 'c1' },
      { promptId: 'b', clientId: 'c1' },
      { promptId: 'c', clientId: 'c2', session: 'watcher' },
      { promptId: 'd', session: 'tracker' },
      { promptId: 'e', clientId: 'c3', status: 'completed' },
      { promptId: 'f', clientId: 'own' },
      { promptId: 'g' },
    ] as const;
    for (const job of jobs) await lastValueFrom(store.put(aState(job)));
    await lastValueFrom(store.leases.hold({ ...session, clientId: 'own' }));
    const orphans = async () => {
      const { sessions } = await lastValueFrom(store.leases.orphans());
      return sessions.map(({ clientId }) => clientId).sort();
    };
    expect(await orphans()).toEqual(['c1', 'tracker', 'watcher']);
    await lastValueFrom(store.put(aState({ promptId: 'h', clientId: 'c4' })));
    await lastValueFrom(store.leases.hold({ ...session, clientId: 'c1' }));
    expect(await orphans()).toEqual(['tracker', 'watcher']);
    await dispose();
  });

  it('finds them later where the first attempt failed', async () => {
    await lastValueFrom(store.put(aState({ clientId: 'c1' })));
    await close(store);
    await expect(lastValueFrom(store.leases.orphans())).rejects.toThrow(StoreUnavailable);
    await expect(lastValueFrom(store.leases.orphans())).rejects.toThrow(StoreUnavailable);
    await dispose();
  });
});

describe('with a real Redis', () => {
  const TTL_MS = 60_000;
  const HELD = { instance: 'another' };
  const shared = sharedRedis();
  let stores: JobStore[];
  let reports: unknown[];

  beforeEach(() => {
    stores = [];
    reports = [];
  });
  afterEach(() => Promise.all(stores.map(close)));

  function open(leaseTtlMs = TTL_MS) {
    const store = redisStore({
      url: shared.server.url,
      report: (_where, error) => reports.push(error),
      leaseTtlMs,
      commandTimeoutMs: PATIENCE_MS,
    });
    stores.push(store);
    return store.leases;
  }
  type Opened = ReturnType<typeof open>;

  const hold = (leases: Opened, key = session) => lastValueFrom(leases.hold(key));
  const release = (leases: Opened, forget = false) =>
    lastValueFrom(leases.release(session, forget), { defaultValue: undefined });
  const orphans = (leases: Opened) => lastValueFrom(leases.orphans());
  const register = ({ clientId, serverUrl }: SessionKey) =>
    shared.admin.hset(SESSIONS_KEY, clientId, JSON.stringify({ serverUrl }));
  const listenersTo = async (channel: string) => {
    const [, count] = (await shared.admin.call('PUBSUB', 'SHARDNUMSUB', channel)) as [string, number];
    return count;
  };
  const messages = () => reports.map((error) => String(error));

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
    const [one, other] = [open(1_500), open()];
    await hold(one);
    const { sessions, nextInMs = 0 } = await orphans(other);
    expect(sessions).toEqual([]);
    expect(nextInMs).toBeGreaterThan(0);
    expect(nextInMs).toBeLessThanOrEqual(1_500);
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
    await hold(open(5_000), { ...session, clientId: 'soon' });
    await hold(open(50_000), { ...session, clientId: 'late' });
    const { nextInMs = 0 } = await orphans(one);
    expect(nextInMs).toBeGreaterThan(0);
    expect(nextInMs).toBeLessThanOrEqual(5_000);
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

  describe('on this machine', () => {
    const children: ReturnType<typeof spawn>[] = [];
    afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

    async function holder(): Promise<ReturnType<typeof spawn>> {
      const args = [
        builtScript('test/sinks/contracts/lease-holder.ts'),
        shared.server.url,
        session.clientId,
        session.serverUrl,
      ];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const [outcome] = (await once(child.stdout, 'data')) as [Buffer];
      expect(outcome.toString()).toBe('held\n');
      return child;
    }

    it('of a process that was killed are orphans at once', async () => {
      const one = open();
      const child = await holder();
      expect((await orphans(one)).sessions).toEqual([]);
      expect(await hold(one)).toBe('taken');
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      expect(await orphans(one)).toEqual({ sessions: [session] });
      expect(await hold(one)).toBe('held');
      expect(await hold(open())).toBe('taken');
    });

    it('of a process that was killed are taken by one only', async () => {
      const child = await holder();
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => hold(open())));
      expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
    });

    it('of a process that stands still stay its own', async () => {
      const child = await holder();
      child.kill('SIGSTOP');
      const one = open();
      expect((await orphans(one)).sessions).toEqual([]);
      expect(await hold(one)).toBe('taken');
    });
  });

  describe.each([
    ['another boot', { bootId: 'another' }],
    ['another pid namespace', { pidNamespace: 'pid:[1]' }],
  ])('of %s', (_name, elsewhere) => {
    it('stay their owner’s until they run out', async () => {
      const one = open();
      await hold(one, { ...session, clientId: 'mine' });
      const mine = JSON.parse((await shared.admin.get(leaseKey('mine'))) ?? '') as { process: object };
      const gone = { ...HELD, process: { ...mine.process, pid: 2 ** 22 + 1 } };
      await register(session);
      await shared.admin.set(leaseKey(session.clientId), JSON.stringify(gone), 'PX', TTL_MS);
      expect((await orphans(one)).sessions).toEqual([session]);
      const theirs = { ...gone, process: { ...gone.process, ...elsewhere } };
      await shared.admin.set(leaseKey(session.clientId), JSON.stringify(theirs), 'PX', TTL_MS);
      expect((await orphans(one)).sessions).toEqual([]);
      expect(await hold(one)).toBe('taken');
    });
  });

  it('of a pid that lives another life are orphans', async () => {
    const [one, other] = [open(), open()];
    await hold(one);
    const mine = JSON.parse((await shared.admin.get(leaseKey(session.clientId))) ?? '') as {
      process: { startTime: number };
    };
    const before = { ...HELD, process: { ...mine.process, startTime: mine.process.startTime - 1 } };
    await shared.admin.set(leaseKey(session.clientId), JSON.stringify(before), 'PX', TTL_MS);
    expect((await orphans(other)).sessions).toEqual([session]);
    expect(await hold(other)).toBe('held');
  });

  describe('what other programs put under our keys', () => {
    const key = leaseKey(session.clientId);
    const garbage: readonly [string, () => Promise<unknown>][] = [
      ['no JSON', () => shared.admin.set(key, 'hello secret')],
      ['bytes', () => shared.admin.set(key, Buffer.from([0xff, 0xfe, 0x00]))],
      ['an empty string', () => shared.admin.set(key, '')],
      ['other JSON', () => shared.admin.set(key, '{"instance":17}')],
      ['null', () => shared.admin.set(key, 'null')],
      ['a hash', () => shared.admin.hset(key, 'a', 'b')],
      ['a list', () => shared.admin.rpush(key, 'x')],
    ];
    it.each(garbage)('%s is no lease: reported once, an orphan, and written over', async (_name, plant) => {
      const one = open();
      await register(session);
      await plant();
      for (let i = 0; i < 3; i++) expect(await orphans(one)).toEqual({ sessions: [session] });
      expect(await hold(one)).toBe('held');
      expect(await hold(open())).toBe('taken');
      expect(messages()).toEqual([
        `UnreadableLease: ${key}: what is there is no owner of a lease`,
        `UnreadableLease: ${key}: what was there was written over`,
      ]);
    });

    it('a lease that never runs out is given an end', async () => {
      const one = open(300);
      await register(session);
      await shared.admin.set(key, JSON.stringify(HELD));
      expect(await orphans(one)).toEqual({ sessions: [], nextInMs: 300 });
      await until(async () => (await hold(one)) === 'held');
    });

    it('no hash is no registry: reported, and written over', async () => {
      await shared.admin.set(SESSIONS_KEY, 'hello secret');
      const one = open();
      for (let i = 0; i < 3; i++) expect(await orphans(one)).toEqual({ sessions: [] });
      expect(await hold(one)).toBe('held');
      expect(await shared.admin.hkeys(SESSIONS_KEY)).toEqual(['client-1']);
      expect(messages()).toEqual([
        `UnreadableLease: ${SESSIONS_KEY}: what is there is no hash`,
        `UnreadableLease: ${SESSIONS_KEY}: what was there was written over`,
      ]);
    });

    it('no session in the registry is reported once and passed over', async () => {
      const one = open();
      await register(session);
      await shared.admin.hset(SESSIONS_KEY, { a: 'secret', b: '17', c: '{}', __proto__: 'x' });
      for (let i = 0; i < 3; i++) expect(await orphans(one)).toEqual({ sessions: [session] });
      expect(messages().sort()).toEqual(
        ['a', 'b', 'c'].map((each) => `UnreadableLease: ${SESSIONS_KEY} ${each}: what is there is no session`),
      );
    });

    it('no request is reported and passed over', async () => {
      const one = open();
      const heard: string[] = [];
      const asked = one
        .asked(session.clientId)
        .subscribe((request) => heard.push('promptId' in request ? request.promptId : request.tag));
      await until(async () => (await listenersTo(askChannel(session.clientId))) === 1);
      await shared.admin.spublish(askChannel(session.clientId), 'secret');
      await shared.admin.spublish(askChannel(session.clientId), '{"tag":"explode","promptId":"x"}');
      await lastValueFrom(one.ask(session.clientId, { tag: 'cancel', promptId: 'job-1' }));
      await until(() => heard.length > 0);
      expect(heard).toEqual(['job-1']);
      expect(messages()).toEqual(Array(2).fill(expect.stringMatching(/no request$/)));
      asked.unsubscribe();
    });
  });

  describe('[R12] an outage', () => {
    it('is StoreUnavailable to each, and over when Redis is back, empty', async () => {
      const [one, other] = [open(), open()];
      const heard: string[] = [];
      const listening = [
        one
          .asked(session.clientId)
          .subscribe((request) => heard.push('promptId' in request ? request.promptId : request.tag)),
        other.released$.subscribe(() => heard.push('released')),
      ];
      await hold(one);
      await until(
        async () => (await listenersTo(RELEASED_CHANNEL)) + (await listenersTo(askChannel('client-1'))) === 2,
      );
      await shared.server.kill();
      await until(async () => !(await lastValueFrom(stores[0]!.healthy())));
      for (const use of [
        hold(one),
        release(one),
        orphans(one),
        lastValueFrom(one.ask('x', { tag: 'cancel', promptId: 'p' })),
      ]) {
        await expect(use).rejects.toThrow(StoreUnavailable);
      }
      await shared.server.start();
      await until(async () => (await hold(one).catch(() => 'down')) === 'held');
      await until(async () => (await hold(other).catch(() => 'down')) === 'taken');
      expect((await orphans(other)).sessions).toEqual([]);
      await until(
        async () => (await listenersTo(RELEASED_CHANNEL)) + (await listenersTo(askChannel('client-1'))) === 2,
      );
      expect(await lastValueFrom(other.ask('client-1', { tag: 'cancel', promptId: 'job-1' }))).toBe(true);
      await release(one);
      await until(() => heard.length === 2);
      expect(heard.sort()).toEqual(['job-1', 'released']);
      listening.forEach((each) => each.unsubscribe());
    });

    it('that is a full memory still extends a lease', async () => {
      const [one, other] = [open(), open()];
      await hold(one);
      await shared.admin.config('SET', 'maxmemory', '1');
      try {
        expect(await hold(one)).toBe('held');
        expect(await hold(other)).toBe('taken');
        await expect(hold(other, { ...session, clientId: 'new' })).rejects.toThrow(StoreUnavailable);
        await release(one);
      } finally {
        await shared.admin.config('SET', 'maxmemory', '0');
      }
      expect(await hold(other)).toBe('held');
    });
  });
});
