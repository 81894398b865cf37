import { lastValueFrom } from 'rxjs';
import { askChannel, leaseKey } from '../../../../sinks/redis/leases/redis-leases';
import { SESSIONS_KEY } from '../../../../sinks/redis/leases/session-registry';
import { until } from '../../../support/until';
import { HELD, hold, leasesOnRedis, orphans, session } from './leases-on-redis';

describe('with a real Redis', () => {
  const { shared, open, register, messages, listenersTo } = leasesOnRedis();

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
});
