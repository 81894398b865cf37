import type { BoardEvent } from '../../../../streams/board/board';
import { cancelAsked, found, step } from '../../job/facts';
import { aBoard } from '../a-board';

describe('a server that is silent', () => {
  const silent = (at: number): BoardEvent => ({ tag: 'silent', promptId: 'a', since: 1_000, at });

  test('has its jobs say so, once, in a change of their own', () => {
    const { open, take } = aBoard();
    const [opened] = open('a');
    expect(take(silent(6_000))).toMatchObject([
      { state: { silentSince: 1_000, via: 'polling', updatedAt: 6_000, seq: opened!.seq + 1 } },
    ]);
    expect([...take(silent(7_000)), ...take({ ...silent(7_000), promptId: 'b' } as BoardEvent)]).toEqual([]);
  });

  test('is so still after what we do to a job ourselves, and no more once it says anything', () => {
    const { open, take, told } = aBoard();
    open('a');
    take(silent(6_000));
    expect(told('a', cancelAsked).at(-1)?.silentSince).toBe(1_000);
    expect(told('a', found('running')).at(-1)).not.toHaveProperty('silentSince');
  });
});

test('the bar of a job that runs goes on by the clock, and a job that waits is told nothing', () => {
  const { open, told, at, take } = aBoard();
  open('a');
  open('b');
  for (const n of [1, 2]) {
    at(1_000 * n);
    told('a', step(n));
  }
  const changes = take({ tag: 'clock', at: 4_000 });
  expect(changes).toMatchObject([{ tag: 'state', state: { promptId: 'a', status: 'processing', updatedAt: 4_000 } }]);
});
