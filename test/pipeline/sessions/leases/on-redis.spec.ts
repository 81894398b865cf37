import { asyncScheduler, lastValueFrom } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import {
  holding,
  inheriting,
  type Holding,
  type HoldingEvent,
  type HoldingPolicy,
} from '../../../../pipeline/sessions/lease-keeper';
import type { JobStore } from '../../../../sinks/job-store';
import type { SessionKey } from '../../../../sinks/leases';
import { redisStore } from '../../../../sinks/redis/redis-store';
import { startRedis, type RedisServer } from '../../../support/redis/redis-server';
import { until } from '../../../support/until';
import { key, SERVER } from './a-world';

describe('two instances on a real Redis', () => {
  /** As in earnest, ten times as fast. */
  const LEASE_MS = 3_000;
  const policy: HoldingPolicy = {
    renewMs: 600,
    marginMs: 300,
    sweepMs: 200,
    clock: asyncScheduler,
    random: Math.random,
  };
  let server: RedisServer;
  let stores: JobStore[];
  let subscriptions: Subscription[];
  let reports: unknown[];

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    stores = [];
    subscriptions = [];
    reports = [];
  });
  afterEach(async () => {
    subscriptions.forEach((each) => each.unsubscribe());
    await Promise.all(stores.map((store) => lastValueFrom(store.close(), { defaultValue: undefined })));
    // What was under way when its store closed is told of, and no trouble.
    expect(reports.filter((error) => !String(error).includes('not connected'))).toEqual([]);
  });

  function instance() {
    const report = (_where: string, error: unknown): void => void reports.push(error);
    const store = redisStore({ url: server.url, report, leaseTtlMs: LEASE_MS });
    stores.push(store);
    const held = new Map<string, Holding>();
    const isHeld = (clientId: string): boolean => held.has(clientId);
    const lost: string[] = [];
    const all: Subscription[] = [];
    const heed = (event$: Observable<HoldingEvent>): void => {
      const subscription = event$.subscribe((event) => {
        if (event.tag === 'held') for (const each of event.holdings) held.set(each.clientId, each);
        else if (held.delete(event.holding.clientId)) lost.push(event.holding.clientId);
      });
      all.push(subscription);
      subscriptions.push(subscription);
    };
    heed(inheriting(store.leases, (url) => url === SERVER, isHeld, policy, report));
    return {
      held,
      lost,
      hold: (session: SessionKey) => {
        const mine = holding(store.leases, session, undefined, isHeld, policy, report);
        held.set(session.clientId, mine.holding);
        heed(mine.lost$);
        return mine.holding;
      },
      /** Without a word, as a process that is killed or cut off. */
      vanish: () => all.forEach((each) => each.unsubscribe()),
      giveBack: (session: SessionKey) => lastValueFrom(store.leases.release(session), { defaultValue: undefined }),
    };
  }
  const sessions = Array.from({ length: 4 }, (_, n) => key(`${process.pid}-${n}`));

  it('hand over what one gives back at once, and what it held when it vanished once its leases ran out', async () => {
    const [one, other] = [instance(), instance()];
    const holdings = sessions.map((session) => one.hold(session));
    await until(() => holdings.every(({ trusted }) => trusted()));
    // Longer than a lease: it is extended, so nobody takes it.
    const at = performance.now();
    await until(() => performance.now() - at > LEASE_MS + 300);
    expect([one.held.size, other.held.size, other.lost]).toEqual([4, 0, []]);
    one.vanish();
    await one.giveBack(sessions[0]!);
    await until(() => other.held.size === 4);
    expect([...other.held.keys()][0]).toBe(sessions[0]!.clientId);
    // [R11] Nobody trusts what another may hold by now.
    expect(holdings.map(({ trusted }) => trusted())).toEqual([false, false, false, false]);
    expect([...other.held.values()].every(({ inherited, trusted }) => inherited && trusted())).toBe(true);
  });

  it('learn that they lost what another took', async () => {
    const one = instance();
    const session = key('to be lost', 'http://served-by-another');
    const mine = one.hold(session);
    await until(() => mine.trusted() && one.held.size === 1);
    const [other, another] = [stores[0]!.leases, redisStore({ url: server.url, report: () => 'as wanted' })];
    stores.push(another);
    await until(async () => {
      await lastValueFrom(other.release(session), { defaultValue: undefined });
      return (await lastValueFrom(another.leases.hold(session))) === 'held';
    });
    await until(() => one.lost.length > 0);
    expect([one.lost, one.held.size]).toEqual([['to be lost'], 0]);
  });
});
