import { lastValueFrom } from 'rxjs';
import { StoreUnavailable } from '../../../../sinks/job-store';
import { askChannel, RELEASED_CHANNEL } from '../../../../sinks/redis/leases/redis-leases';
import { until } from '../../../support/until';
import { hold, leasesOnRedis, orphans, release, session } from './leases-on-redis';

describe('with a real Redis', () => {
  const { open, listenersTo, shared, stores } = leasesOnRedis();

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
