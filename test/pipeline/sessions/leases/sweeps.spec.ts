import { afterAnswer, afterFailure, unswept, type Sweeping } from '../../../../pipeline/sessions/sweeps';
import { aWorld, key, TTL_MS } from './a-world';

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
