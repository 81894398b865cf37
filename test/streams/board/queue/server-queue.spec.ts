import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ServerQueue } from '../../../../streams/board/queue/server-queue';
import { jobOf } from '../../../../streams/job/job';
import { defaultTiming as timing } from '../../../../streams/job/timing';
import { aState, type Fact } from '../../job/a-job';
import { absent, cancelAsked, found, started, succeeded } from '../../job/facts';
import { aServer, ours } from './a-server';

setFlagsFromString('--expose-gc');

const ended: Fact = { tag: 'ended', outcome: [] };

describe('places in a queue', () => {
  test('[R8] of our own jobs alone are known without a look', () => {
    const { looked, told, status, place } = ours();
    expect(looked(2)).toEqual([]);
    expect([place('b'), place('c')]).toEqual([1, 2]);
    told('a', ended);
    status(2);
    told('b', started);
    expect(looked(2)).toEqual([]);
    expect(place('c')).toBe(1);
    told('b', ended);
    status(1);
    expect(looked(2)).toEqual([]);
    expect(place('c')).toBe(0);
  });

  test('are looked up within two seconds where a stranger came, for he may have gone in front', () => {
    const { looked, told, status, place } = ours();
    looked(2);
    status(4);
    expect(looked(2)).toEqual(['b', 'c']);
    told('b', { tag: 'found', where: 'pending', ahead: 2 });
    told('c', { tag: 'found', where: 'pending', ahead: 3 });
    expect([place('b'), place('c')]).toEqual([2, 3]);
  });

  test('are looked up where one of ours that waits behind the only stranger was removed, for no run has ended', () => {
    const { looked, status, submit } = aServer();
    status(1);
    looked(2);
    submit('a');
    status(2);
    submit('b');
    status(3);
    expect(looked(2)).toEqual([]);
    status(2);
    expect(looked(2)).toEqual(['a', 'b']);
  });

  test('are counted and looked up as soon as ever after the clock was set back', () => {
    const { looked, status, placed, setBack } = ours();
    looked(2);
    status(4);
    expect(looked(1)).toEqual(['b', 'c']);
    placed('b', 'c');
    status(5);
    setBack(3_600);
    expect(looked(0.25)).toEqual(['a', 'b', 'c']);
    placed('a', 'b', 'c');
    status(6);
    expect(looked(3)).toEqual(['b', 'c']);
    placed('b', 'c');
    status(2);
    expect(looked(3)).toEqual(['a', 'b', 'c']);
  });

  test('go on from a look as our jobs end', () => {
    const { looked, told, status, place } = ours();
    looked(2);
    status(4);
    looked(2);
    told('b', { tag: 'found', where: 'pending', ahead: 2 });
    told('c', { tag: 'found', where: 'pending', ahead: 3 });
    told('a', ended);
    status(3);
    expect(looked(2)).toEqual([]);
    expect([place('b'), place('c')]).toEqual([1, 2]);
  });

  test('[R8] that strangers move all the time are looked up once a minute', () => {
    const { looked, told, status } = ours();
    looked(2);
    let looks = 0;
    for (let n = 0; n < 300; n += 1) {
      status(4 + (n % 3));
      const about = looked(1);
      if (about.length > 0) looks += 1;
      for (const id of about) told(id, { tag: 'found', where: 'pending', ahead: 3 });
    }
    expect(looks).toBeLessThanOrEqual(300 / 60 + 1);
  });

  test('[R8] that strangers move are told by a look that asks for the queue anyway: none is made for them beside it', () => {
    const { looked, status, placed, suspected } = ours();
    looked(2);
    status(4);
    expect(looked(2)).toEqual(['b', 'c']);
    placed('b', 'c');
    status(5);
    expect(looked(5)).toEqual([]);
    suspected('a');
    expect(looked(0.25)).toEqual(['a', 'b', 'c']);
    placed('a', 'b', 'c');
    // The minute is over after which another look for strangers alone may be made.
    expect(looked(58)).toEqual([]);
  });

  test('are not told by a look at outputs alone, which asks for no queue', () => {
    const { looked, told, status, placed, garbled } = ours();
    looked(2);
    status(4);
    looked(2);
    placed('b', 'c');
    status(5);
    looked(2);
    garbled();
    told('a', succeeded);
    expect(looked(0.25)).toEqual(['a']);
  });

  test('[R8] are told by the look that finds a cancelled job gone: none is made beside it', () => {
    const { looked, told, status, place } = ours();
    looked(2);
    told('b', cancelAsked);
    expect(looked(1)).toEqual(['b', 'c']);
    told('c', found('pending', 1));
    told('b', absent);
    status(2);
    expect(looked(10)).toEqual([]);
    expect(place('c')).toBe(1);
  });

  test('[R8] are not asked for because jobs are not there any more that a look found nowhere', () => {
    const { looked, told, status, suspected } = ours();
    looked(2);
    for (const id of ['a', 'b', 'c']) suspected(id);
    looked(0.25);
    for (const id of ['a', 'b', 'c']) told(id, absent);
    status(0);
    // Each is looked for in its own time, and by no look beside that.
    expect(looked(4)).toEqual([]);
    expect(looked(1.5)).toEqual(['a', 'b', 'c']);
  });

  test('[R8] that strangers move are asked for once, and not again within the minute', () => {
    const { looked, status, placed, takeUp } = aServer();
    takeUp('a');
    status(5);
    expect(looked(0.25)).toEqual(['a']);
    placed('a');
    status(6);
    expect(looked(3)).toEqual(['a']);
    placed('a');
    status(7);
    expect(looked(26)).toEqual([]);
  });

  test('are corrected where the `status` came before the one that counted the job', () => {
    const { looked, status, submit, place } = aServer();
    status(1);
    submit('a');
    status(1);
    submit('b');
    expect(place('b')).toBe(0);
    status(2);
    expect(looked(2)).toEqual([]);
    expect(place('b')).toBe(1);
  });

  test('are looked up where a job of ours was put out of turn, or left the queue without having run', () => {
    const { looked, told, status, submit, placed, suspected } = ours();
    looked(2);
    submit('d', { isOutOfTurn: true });
    status(4);
    expect(looked(2)).toContain('b');
    placed('b', 'c', 'd');
    // By a look of its own.
    suspected('c');
    expect(looked(0.25)).toEqual(['c']);
    told('c', { tag: 'ended', outcome: [] });
    status(3);
    expect(looked(3)).toContain('b');
  });
});

test('[R16] of a server that never tells how long its queue is, jobs that have ended are forgotten', () => {
  const collect = runInNewContext('gc') as () => void;
  const queue = new ServerQueue(timing, () => []);
  const pass = (from: number, count: number): void => {
    for (let n = from; n < from + count; n++) {
      const state = aState({ promptId: `${n}-${'x'.repeat(36)}`, status: 'processing' });
      const job = jobOf(state, { accepted: true });
      queue.accepted(job, n, false, false);
      queue.left(job);
    }
    collect();
  };
  pass(0, 1_000);
  const before = process.memoryUsage().heapUsed;
  pass(1_000, 30_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(1.5e6);
  expect(queue.remaining).toBeUndefined();
});
