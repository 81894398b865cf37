import { defaultTiming as timing } from '../../../../streams/job/timing';
import { SERVER } from '../../job/a-job';
import { absent, accepted, cancelAsked, found, started } from '../../job/facts';
import { aBoard } from '../a-board';

describe('a `status`', () => {
  test('is the number of jobs that the server has in hand', () => {
    const { queueLength, board } = aBoard();
    expect(board.queueRemaining(SERVER)).toBeUndefined();
    queueLength(4);
    queueLength(2);
    expect(board.queueRemaining(SERVER)).toBe(2);
  });

  test('[R17] changes no job by itself, however many wait: one look at the queue tells of all', () => {
    const { open, told, at, linked, queueLength, due, board } = aBoard();
    linked();
    queueLength(3);
    for (const id of ['a', 'b']) {
      open(id);
      told(id, { tag: 'found', where: 'pending', ahead: 2 });
    }
    at(1_000);
    const before = [...board.jobs.values()];
    expect(queueLength(4)).toEqual([]);
    expect(board.jobs.get('a')).toBe(before[0]);
    expect(due(1_000 + timing.soonMs - 1)).toEqual([]);
    expect(due(1_000 + timing.soonMs)).toEqual(['a', 'b']);
  });

  test('[R8] is looked at once however often it changes, and again only after a while', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    queueLength(3);
    open('a');
    told('a', { tag: 'found', where: 'pending', ahead: 2 });
    at(1_000);
    for (const remaining of [4, 3, 4, 5]) queueLength(remaining);
    const looked = 1_000 + timing.soonMs;
    expect(due(looked)).toEqual(['a']);
    at(looked + 1);
    told('a', found('pending', 4));
    queueLength(6);
    expect(due(looked + 2 * timing.auditMs - 1)).toEqual([]);
    expect(due(looked + 2 * timing.auditMs + 1)).toEqual(['a']);
  });

  test('[R8] that did not change, or at which no job waits, is no reason to look', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    queueLength(3);
    open('a');
    told('a', { tag: 'found', where: 'pending', ahead: 2 });
    at(1_000);
    queueLength(3);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    told('a', started);
    queueLength(2);
    expect(due(1_000 + 2 * timing.soonMs)).toEqual([]);
  });

  test.each([
    [4, 3],
    [1, 0],
    [0, 0],
    [-1, 0],
  ])('of %i jobs tells a job just taken its place: %i', (remaining, queuePosition) => {
    const { open, told, linked, queueLength } = aBoard();
    linked();
    queueLength(remaining);
    open('a', {}, false);
    expect(told('a', accepted(0))).toMatchObject([{ queuePosition }]);
  });

  test('tells the place of a job just taken as far back as it can be, and nobody looks', () => {
    const { open, told, at, linked, queueLength, due, board, take } = aBoard();
    linked();
    at(1_000);
    queueLength(3);
    open('a', {}, false);
    told('a', accepted(0));
    expect(board.job('a')?.state.queuePosition).toBe(2);
    queueLength(4);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    take({ tag: 'clock', at: 1_000 + timing.soonMs });
    expect(board.job('a')?.state.queuePosition).toBe(3);
  });

  test('[R4] that leaves no room for all our jobs has them looked up soon', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, found('running'));
    }
    at(1_000);
    queueLength(2);
    expect(due(1_000 + timing.soonMs)).toEqual([]);
    queueLength(1);
    expect(due(1_000 + timing.soonMs - 1)).toEqual([]);
    expect(due(1_000 + timing.soonMs)).toEqual(['a', 'b']);
  });

  test('[R4] does not hurry the looks at a job that was not found already', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    open('a');
    told('a', found('running'), absent);
    at(1_000);
    queueLength(0);
    expect(due(timing.suspectMs - 1)).toEqual([]);
    expect(due(timing.suspectMs)).toEqual(['a']);
  });

  test('has a job looked up soon whose frames go elsewhere, or which we asked to be cancelled', () => {
    const { open, told, at, linked, queueLength, due } = aBoard();
    linked();
    open('a');
    open('b', { clientId: 'other' });
    open('c');
    told('c', cancelAsked);
    for (const id of ['a', 'b', 'c']) told(id, found('running'));
    queueLength(8);
    at(1_000);
    queueLength(9);
    expect(due(1_000 + timing.soonMs)).toEqual(['b', 'c']);
  });
});
