import { defaultHoldingPolicy } from '../../../../pipeline/sessions/lease-keeper';
import { aWorld, key, TTL_MS } from './a-world';

/** What a lease is trusted for: its time less the margin. */
const TRUST_MS = TTL_MS - defaultHoldingPolicy.marginMs;

describe('a session that is held', () => {
  it('is asked for at once, and again every 3 s', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    one.holds$(key());
    pass(9_500);
    expect(one.holds).toEqual([0, 3_000, 6_000, 9_000]);
  });

  it('is not asked for again once it was given up, though the store was away then', () => {
    const { instance, pass } = aWorld();
    const { holds$, holds, held, link } = instance('one');
    holds$(key());
    pass(1);
    link.down = true;
    pass(3_000);
    expect(holds).toEqual([0, 3_000]);
    held.delete('c');
    link.down = false;
    pass(10_000);
    expect(holds).toEqual([0, 3_000]);
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

  it('[R11] is of a new term each time it was in doubt and extended, and of no other for being extended', () => {
    const { instance, pass } = aWorld();
    const one = instance('one');
    const { term } = one.holds$(key());
    pass(60_000);
    expect(term()).toBe(0);
    one.link.down = true;
    pass(TRUST_MS);
    expect(term()).toBe(0);
    one.link.down = false;
    pass(60_000);
    expect(term()).toBe(1);
  });

  it('is said to be lost with how long ago it was held, by the start of the last attempt that held it', () => {
    const { instance, pass } = aWorld();
    const [one, other] = [instance('one'), instance('other')];
    const { lostMsAgo, renewals } = one.holds$(key());
    pass(3_000);
    one.link.down = true;
    pass(TTL_MS);
    other.holds$(key());
    pass(1);
    one.link.down = false;
    pass(1_000);
    expect(renewals).toHaveLength(2);
    expect(lostMsAgo).toEqual([10_500]);
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
