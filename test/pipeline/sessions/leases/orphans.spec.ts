import { EMPTY } from 'rxjs';
import { aWorld, key, SERVER } from './a-world';

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

  it('of a server that is not in the settings are taken once nobody else has had them for an hour', () => {
    const { instance, pass, orphaned, grant } = aWorld();
    const one = instance('one');
    orphaned(1, 'http://removed');
    orphaned(1, 'http://elsewhere');
    one.inherits((serverUrl) => serverUrl === SERVER);
    pass(3_590_000);
    expect(one.taken()).toEqual([]);
    // Its own service is back, for a moment: the hour begins anew.
    grant(key('http://elsewhere 0', 'http://elsewhere'), 'another');
    pass(20_000);
    expect([...one.held.keys()]).toEqual(['http://removed 0']);
    pass(3_600_000);
    expect(one.held.size).toBe(2);
  });

  it('of such a server are not taken by one that stood still for an hour, or whose clock was set: it did not look', () => {
    const { clock, instance, pass, orphaned } = aWorld();
    const one = instance('one');
    orphaned(1, 'http://elsewhere');
    one.inherits((serverUrl) => serverUrl === SERVER);
    pass(10_000);
    const now = clock.now;
    clock.now = () => now() + 3_600_000;
    pass(60_000);
    expect(one.taken()).toEqual([]);
    pass(3_600_000);
    expect(one.held.size).toBe(1);
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
    one.held.set('c', { ...key(), inherited: false, trusted: () => false, term: () => 0, renewed$: EMPTY });
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
