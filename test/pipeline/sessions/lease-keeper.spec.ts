import {
  EMPTY,
  NEVER,
  Subject,
  VirtualTimeScheduler,
  asyncScheduler,
  defer,
  filter,
  lastValueFrom,
  map,
  of,
} from 'rxjs';
import { concatMap, throwError, timer, type Observable, type Subscription } from 'rxjs';
import {
  defaultHoldingPolicy,
  holding,
  inheriting,
  type Holding,
  type HoldingEvent,
  type HoldingPolicy,
} from '../../../pipeline/sessions/lease-keeper';
import { afterAnswer, afterFailure, unswept, type Sweeping } from '../../../pipeline/sessions/sweeps';
import { StoreUnavailable, type JobStore } from '../../../sinks/job-store';
import type { LeaseOutcome, Leases, SessionKey } from '../../../sinks/leases';
import { redisStore } from '../../../sinks/redis/redis-store';
import { startRedis, type RedisServer } from '../../support/redis/redis-server';
import { until } from '../../support/until';

const TTL_MS = 10_000;
/** What a lease is trusted for: its time less the margin. */
const TRUST_MS = TTL_MS - defaultHoldingPolicy.marginMs;
const SERVER = 'http://comfy:8188';
const key = (clientId = 'c', serverUrl = SERVER): SessionKey => ({ clientId, serverUrl });

/** Leases of several instances over virtual time: what is asked takes effect at once, and is answered `answerMs` later. */
function aWorld(random = 0.5) {
  const clock = new VirtualTimeScheduler();
  const registry = new Map<string, SessionKey>();
  const leases = new Map<string, { readonly owner: string; readonly until: number }>();
  const released$ = new Subject<string>();
  const holderOf = (clientId: string): string | undefined => {
    const { owner, until = 0 } = leases.get(clientId) ?? {};
    return until > clock.now() ? owner : undefined;
  };
  const grant = (session: SessionKey, owner: string): void => {
    registry.set(session.clientId, session);
    leases.set(session.clientId, { owner, until: clock.now() + TTL_MS });
  };

  function instance(name: string) {
    const link = { down: false, answerMs: 0 };
    /** When each lease was asked for. */
    const holds: number[] = [];
    const sweeps: number[] = [];
    const reports: string[] = [];
    const answered = <T>(work: () => T): Observable<T> =>
      defer(() => {
        if (link.down) return throwError(() => new StoreUnavailable('down'));
        const answer = work();
        return link.answerMs === 0 ? of(answer) : timer(link.answerMs, clock).pipe(map(() => answer));
      });
    const its: Leases = {
      ttlMs: TTL_MS,
      hold: (session) =>
        defer(() => {
          holds.push(clock.now());
          return answered((): LeaseOutcome => {
            const owner = holderOf(session.clientId);
            if (owner !== undefined && owner !== name) return 'taken';
            grant(session, name);
            return 'held';
          });
        }),
      release: (session, forget = false) =>
        answered(() => {
          if (holderOf(session.clientId) !== name) return;
          leases.delete(session.clientId);
          if (forget) registry.delete(session.clientId);
          else released$.next(name);
        }).pipe(concatMap(() => EMPTY)),
      orphans: () =>
        defer(() => {
          sweeps.push(Math.round(clock.now()));
          return answered(() => {
            const sessions = [...registry.values()].filter(({ clientId }) => holderOf(clientId) === undefined);
            const others = [...leases.entries()].filter(
              ([clientId]) => ![undefined, name].includes(holderOf(clientId)),
            );
            const next = Math.min(...others.map(([, lease]) => lease.until - clock.now()));
            return { sessions, ...(Number.isFinite(next) && { nextInMs: next }) };
          });
        }),
      released$: released$.pipe(filter((by) => by !== name)),
      note: () => EMPTY,
      ask: () => of(false),
      asked: () => NEVER,
    };

    const held = new Map<string, Holding>();
    const isHeld = (clientId: string): boolean => held.has(clientId);
    const events: { readonly at: number; readonly tag: string; readonly clientIds: readonly string[] }[] = [];
    const policy: HoldingPolicy = { ...defaultHoldingPolicy, clock, random: () => random };
    const report = (where: string): void => void reports.push(where);
    const heed = (event$: Observable<HoldingEvent>): Subscription =>
      event$.subscribe((event) => {
        const holdings = event.tag === 'held' ? event.holdings : [event.holding];
        for (const each of holdings) {
          if (event.tag === 'held') held.set(each.clientId, each);
          else held.delete(each.clientId);
        }
        events.push({ at: clock.now(), tag: event.tag, clientIds: holdings.map(({ clientId }) => clientId) });
      });
    return {
      leases: its,
      link,
      holds,
      sweeps,
      reports,
      held,
      events,
      holds$: (session: SessionKey, inheritedAt?: number) => {
        const mine = holding(its, session, inheritedAt, isHeld, policy, report);
        held.set(session.clientId, mine.holding);
        const renewals: boolean[] = [];
        mine.holding.renewed$.subscribe(() => renewals.push(mine.holding.trusted()));
        return { trusted: mine.holding.trusted, renewals, subscription: heed(mine.lost$) };
      },
      inherits: (isServed: (serverUrl: string) => boolean = () => true) =>
        heed(inheriting(its, isServed, isHeld, policy, report)),
      taken: () => events.filter(({ tag }) => tag === 'held').map(({ at, clientIds }) => [at, clientIds.length]),
    };
  }

  return {
    clock,
    registry,
    instance,
    holderOf,
    grant,
    /** Sessions that nobody holds. */
    orphaned: (count: number, serverUrl = SERVER) => {
      for (let n = 0; n < count; n++) registry.set(`${serverUrl} ${n}`, key(`${serverUrl} ${n}`, serverUrl));
    },
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
  };
}

describe('a session that is held', () => {
  it('is asked for at once, and again every 3 s', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    one.holds$(key());
    pass(9_500);
    expect(one.holds).toEqual([0, 3_000, 6_000, 9_000]);
  });

  it('[R11] is trusted and nobody else’s, as long as it is extended', () => {
    const { instance, pass } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    const { trusted } = one.holds$(key());
    const { subscription } = other.holds$(key());
    for (let s = 0; s < 60; s++) {
      pass(1_000);
      expect(trusted()).toBe(true);
    }
    expect(other.events).toEqual([{ at: 0, tag: 'lost', clientIds: ['c'] }]);
    expect(subscription.closed).toBe(true);
  });

  it('[R11] is trusted no longer than its lease lasts, less the margin, where the store is away', () => {
    const { instance, pass, holderOf } = aWorld();
    const one = instance('one');
    const { trusted } = one.holds$(key());
    pass(1);
    one.link.down = true;
    pass(TRUST_MS - 2);
    expect(trusted()).toBe(true);
    pass(1);
    expect(trusted()).toBe(false);
    expect(holderOf('c')).toBe('one');
  });

  it('[R11] is trusted from the start of an attempt: a slow answer does not extend it', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    one.link.answerMs = 2_500;
    const { trusted } = one.holds$(key());
    pass(2_600);
    one.link.down = true;
    pass(TRUST_MS - 2_600 - 1);
    expect(trusted()).toBe(true);
    pass(1);
    expect(trusted()).toBe(false);
  });

  it('[R11] is trusted anew by a slow renewal, from its start too, which no other attempt joins', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    const { trusted, renewals } = one.holds$(key());
    pass(1);
    one.link.answerMs = 7_000;
    pass(TRUST_MS - 1);
    expect(trusted()).toBe(false);
    expect(renewals).toEqual([true]);
    pass(1_500);
    expect(trusted()).toBe(true);
    // Whoever waits for certainty hears of it.
    expect(renewals).toEqual([true, true]);
    expect(one.holds).toEqual([0, 3_000]);
    one.link.down = true;
    pass(3_000 + TRUST_MS - 10_000 - 1);
    expect(trusted()).toBe(true);
    pass(1);
    expect(trusted()).toBe(false);
  });

  it('[R11] is trusted no longer once the clock was set back, until it is extended by that clock', () => {
    const { clock, instance, pass } = aWorld();
    const one = instance('one');
    const { trusted } = one.holds$(key());
    pass(1_000);
    expect(trusted()).toBe(true);
    const now = clock.now;
    clock.now = () => now() - 60_000;
    expect(trusted()).toBe(false);
    pass(2_000);
    expect(one.holds).toEqual([0, 3_000 - 60_000]);
    expect(trusted()).toBe(true);
  });

  it('[R12] is trusted without end where it was never registered: nobody else can know of it', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    one.link.down = true;
    const { trusted } = one.holds$(key());
    pass(3_600_000);
    expect(trusted()).toBe(true);
    one.link.down = false;
    pass(3_001);
    one.link.down = true;
    pass(TTL_MS);
    expect(trusted()).toBe(false);
  });

  it('[R12] is tried for again and again while the store is away, which is reported once, and held when it is back', () => {
    const { instance, pass, holderOf } = aWorld();
    const one = instance('one');
    const { trusted } = one.holds$(key());
    pass(1);
    one.link.down = true;
    pass(60_000);
    expect(holderOf('c')).toBeUndefined();
    expect(one.reports).toEqual(['lease']);
    expect(one.holds.length).toBeLessThan(130);
    one.link.down = false;
    pass(500);
    expect([holderOf('c'), trusted(), one.events]).toEqual(['one', true, []]);
  });

  it('is lost as soon as another has it, said once, and asked for no more', () => {
    const { instance, pass, grant } = aWorld();
    const one = instance('one');
    const { subscription } = one.holds$(key());
    pass(3_500);
    grant(key(), 'another');
    pass(60_000);
    expect(one.events).toEqual([{ at: 6_000, tag: 'lost', clientIds: ['c'] }]);
    expect(one.holds).toEqual([0, 3_000, 6_000]);
    expect(subscription.closed).toBe(true);
  });

  it('is lost by who was cut off from the store while another took it', () => {
    const { instance, pass, holderOf } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    const { trusted } = one.holds$(key());
    pass(1);
    one.link.down = true;
    other.inherits();
    pass(TRUST_MS);
    expect([trusted(), other.held.size]).toEqual([false, 0]);
    pass(TTL_MS - TRUST_MS + 50);
    expect(other.held.has('c')).toBe(true);
    expect(holderOf('c')).toBe('other');
    one.link.down = false;
    pass(3_000);
    expect(one.events.map(({ tag }) => tag)).toEqual(['lost']);
  });

  it('is asked for no more once it is not wanted: then it runs out', () => {
    const { instance, pass, holderOf } = aWorld();
    const one = instance('one');
    const { subscription } = one.holds$(key());
    pass(4_000);
    one.held.delete('c');
    pass(20_000);
    expect(one.holds).toEqual([0, 3_000]);
    expect([one.events, subscription.closed, holderOf('c')]).toEqual([[], true, undefined]);
  });

  it('is asked for no more by who left', () => {
    const { instance, pass, clock } = aWorld();
    const one = instance('one');
    const { subscription } = one.holds$(key());
    pass(4_000);
    subscription.unsubscribe();
    pass(20_000);
    expect(one.holds).toEqual([0, 3_000]);
    expect(clock.actions).toEqual([]);
  });

  it('and inherited, is trusted from when it was taken, and extended 3 s later first', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    pass(500);
    const { trusted } = one.holds$(key(), 0);
    one.link.down = true;
    pass(TRUST_MS - 501);
    expect(trusted()).toBe(true);
    pass(1);
    expect(trusted()).toBe(false);
    expect(one.holds[0]).toBe(3_500);
  });
});

describe('orphans', () => {
  it.each([
    [1, [[0, 1]]],
    [2, [[0, 2]]],
    [
      3,
      [
        [0, 2],
        [200, 1],
      ],
    ],
    [
      10,
      [
        [0, 5],
        [200, 3],
        [400, 2],
      ],
    ],
  ])('%i are taken by half, but at least two at a time, the rest soon after', (count, taken) => {
    const { instance, pass, orphaned } = aWorld();
    const one = instance('one');
    orphaned(count);
    one.inherits();
    pass(1_000);
    expect(one.taken()).toEqual(taken);
    expect(one.held.size).toBe(count);
  });

  it('are shared among instances, each taken by one', () => {
    const { instance, pass, orphaned, holderOf } = aWorld();
    const all = ['one', 'two', 'three'].map((name) => instance(name));
    orphaned(24);
    // Each sees all of them before any is taken, as instances do that sweep at the same moment.
    for (const each of all) each.link.answerMs = 5;
    for (const each of all) each.inherits();
    pass(3_000);
    expect(all.reduce((sum, { held }) => sum + held.size, 0)).toBe(24);
    expect(new Set(all.flatMap(({ held }) => [...held.keys()])).size).toBe(24);
    expect(holderOf(`${SERVER} 0`)).toBeDefined();
  });

  it('are held as inherited, extended, and lost like any other', () => {
    const { instance, pass, orphaned, grant } = aWorld();
    const one = instance('one');
    orphaned(1);
    one.inherits();
    pass(1);
    const [taken] = [...one.held.values()];
    expect(taken).toMatchObject({ clientId: `${SERVER} 0`, serverUrl: SERVER, inherited: true });
    pass(60_000);
    expect(taken?.trusted()).toBe(true);
    grant(key(`${SERVER} 0`), 'another');
    pass(3_000);
    expect(one.events.map(({ tag }) => tag)).toEqual(['held', 'lost']);
  });

  it('that are held here are none: a session that ran out in an outage is still ours to extend', () => {
    const { instance, pass, registry } = aWorld();
    const one = instance('one');
    registry.set('c', key());
    one.held.set('c', { ...key(), inherited: false, trusted: () => false, renewed$: EMPTY });
    one.inherits();
    pass(10_000);
    expect([one.holds, one.events]).toEqual([[], []]);
  });

  it('of servers that are not served are left to who serves them', () => {
    const { instance, pass, orphaned } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    orphaned(3, 'http://mine');
    orphaned(5, 'http://theirs');
    one.inherits((url) => url === 'http://mine');
    pass(10_000);
    expect(one.held.size).toBe(3);
    other.inherits((url) => url === 'http://theirs');
    pass(1_000);
    expect([one.held.size, other.held.size]).toEqual([3, 5]);
  });

  it('that another took meanwhile are not held', () => {
    const { instance, pass, orphaned, grant } = aWorld();
    const one = instance('one');
    orphaned(2);
    one.link.answerMs = 10;
    one.inherits();
    pass(5);
    grant(key(`${SERVER} 0`), 'another');
    pass(100);
    expect([...one.held.keys()]).toEqual([`${SERVER} 1`]);
    one.link.answerMs = 0;
    const { sweeps } = one;
    expect(sweeps).toEqual([0]);
  });
});

describe('the next sweep', () => {
  it.each([
    [0, [0, 1_600, 3_200, 4_800]],
    [0.5, [0, 2_000, 4_000]],
    [1, [0, 2_400, 4_800]],
  ])('comes after 2 s, give or take a fifth: with %f', (random, sweeps) => {
    const { instance, pass } = aWorld(random);
    const one = instance('one');
    one.inherits();
    pass(5_000);
    expect(one.sweeps).toEqual(sweeps);
  });

  it('comes right after the next lease runs out, where that is sooner', () => {
    const { instance, pass, grant } = aWorld();
    const one = instance('one');
    grant(key(), 'dead');
    pass(TTL_MS - 700);
    one.inherits();
    pass(2_000);
    expect(one.sweeps.slice(0, 2)).toEqual([TTL_MS - 700, TTL_MS + 50]);
    expect(one.taken()).toEqual([[TTL_MS + 50, 1]]);
  });

  it('does not wait for a lease that runs out later than the next is due', () => {
    const { instance, pass, grant } = aWorld();
    const one = instance('one');
    grant(key(), 'dead');
    one.inherits();
    pass(2_500);
    expect(one.sweeps).toEqual([0, 2_000]);
  });

  it.each([
    [0, 1_000],
    [0.5, 1_100],
    [0.99, 1_198],
  ])('comes soon after another gave a session back: with %f', (random, at) => {
    const { instance, pass } = aWorld(random);
    const [one, other] = [instance('one'), instance('other')];
    const { subscription } = other.holds$(key());
    pass(1);
    one.inherits();
    pass(999);
    subscription.unsubscribe();
    other.leases.release(key()).subscribe();
    pass(500);
    expect(one.taken()).toEqual([[at, 1]]);
  });

  it('is one, however many are given back at once', () => {
    const { instance, pass } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    for (const id of ['a', 'b']) other.holds$(key(id)).subscription.unsubscribe();
    pass(1);
    for (const id of ['a', 'b']) other.leases.hold(key(id)).subscribe();
    one.inherits();
    pass(999);
    for (const id of ['a', 'b']) other.leases.release(key(id)).subscribe();
    pass(500);
    expect(one.sweeps).toEqual([1, 1_100]);
    expect(one.taken()).toEqual([[1_100, 2]]);
  });

  it('[R12] comes although the store is away, which is reported once, and takes what there is a while after it is back', () => {
    const { instance, pass, orphaned } = aWorld();
    const one = instance('one');
    one.link.down = true;
    orphaned(1);
    one.inherits();
    pass(9_000);
    expect(one.sweeps).toEqual([0, 2_000, 4_000, 6_000, 8_000]);
    expect(one.reports).toEqual(['sweep']);
    one.link.down = false;
    pass(6_000);
    expect(one.taken()).toEqual([[14_000, 1]]);
  });

  it('[R12] leaves what has run out in an outage to who had it, if that is still there', () => {
    const { instance, pass } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    one.holds$(key());
    other.inherits();
    pass(1_000);
    one.link.down = other.link.down = true;
    pass(TTL_MS + 5_000);
    other.link.down = false;
    // Sweeps come first, and find what ran out.
    pass(2_500);
    one.link.down = false;
    pass(60_000);
    expect([one.events, other.taken()]).toEqual([[], []]);
  });

  it('comes no more for who left', () => {
    const { instance, pass, orphaned, clock } = aWorld();
    const one = instance('one');
    orphaned(3);
    const inheriting = one.inherits();
    pass(5_000);
    inheriting.unsubscribe();
    const before = [one.sweeps.length, one.holds.length];
    pass(20_000);
    expect([one.sweeps.length, one.holds.length]).toEqual(before);
    expect(clock.actions).toEqual([]);
  });
});

describe('what sweeps come to', () => {
  const policy = { sweepMs: 2_000, random: () => 0.5 };
  const wanted = ['a', 'b', 'c'].map((id) => key(id));
  const idsOf = ({ some }: Sweeping): readonly string[] => some.map(({ clientId }) => clientId);

  it('[R12] is a grace for who had them, once, after an outage', () => {
    const failed = afterFailure(afterFailure(unswept, policy), policy);
    expect(failed).toEqual({ isFailing: true, graceUntil: 0, waitMs: 2_000, some: [] });
    const back = afterAnswer(failed, { wanted }, 10_000, policy);
    expect(back).toEqual({ isFailing: false, graceUntil: 14_000, waitMs: 4_000, some: [] });
    expect(afterAnswer(back, { wanted }, 12_500, policy)).toEqual({ ...back, waitMs: 1_500 });
    expect(afterAnswer(back, { wanted }, 14_000, policy)).toMatchObject({ graceUntil: 14_000, waitMs: 200 });
  });

  it('[R12] waits no longer than the whole grace where the clock was set back', () => {
    const back = afterAnswer(afterFailure(unswept, policy), { wanted }, 10_000, policy);
    expect(afterAnswer(back, { wanted }, 0, policy)).toMatchObject({ waitMs: 4_000, some: [] });
  });

  it('is a share of them from a random place on', () => {
    expect(idsOf(afterAnswer(unswept, { wanted }, 0, policy))).toEqual(['b', 'c']);
    expect(idsOf(afterAnswer(unswept, { wanted }, 0, { ...policy, random: () => 0.9 }))).toEqual(['c', 'a']);
  });
});

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
