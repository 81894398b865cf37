import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { leaseKey } from '../../../../sinks/redis/leases/redis-leases';
import { builtScript } from '../../../support/programs/built';
import { HELD, hold, leasesOnRedis, orphans, session, TTL_MS } from './leases-on-redis';

describe('with a real Redis', () => {
  const { shared, open, register } = leasesOnRedis();

  describe('on this machine', () => {
    const children: ReturnType<typeof spawn>[] = [];
    afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

    async function holder(): Promise<ReturnType<typeof spawn>> {
      const args = [
        builtScript('test/sinks/contracts/leases/lease-holder.ts'),
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
});
