import { defaultTiming as timing } from '../../../../streams/job/timing';
import { SERVER } from '../../job/a-job';
import { absent, accepted, cancelAsked, ended, executed, found, started, step, succeeded } from '../../job/facts';
import { aBoard } from '../a-board';

describe('what was missed', () => {
  test('[R3] a socket that closed among a job’s frames leaves its outputs to history', () => {
    const { open, told, linked, unlinked } = aBoard();
    linked();
    open('a');
    told('a', started);
    unlinked();
    linked();
    expect(told('a', executed(), succeeded).at(-1)).toMatchObject({
      status: 'processing',
      phase: 'finishing',
    });
    expect(told('a', ended())).toMatchObject([{ status: 'completed' }]);
  });

  test('[R3] so does a frame that could not be read', () => {
    const { open, told, linked, garbled } = aBoard();
    linked();
    open('a');
    told('a', started);
    garbled();
    expect(told('a', executed(), succeeded).at(-1)?.status).toBe('processing');
  });

  test('[R6] after each connect each of the session’s jobs is looked up', () => {
    const { open, at, linked, due } = aBoard();
    open('a');
    open('b', { clientId: 'other', serverUrl: 'http://elsewhere' });
    open('c', {}, false);
    at(100);
    linked();
    expect(due(99)).not.toContain('a');
    expect(due(100)).toContain('a');
    expect(due(100)).not.toContain('c');
  });

  test('[R6] a look is due once per connect', () => {
    const { open, told, at, linked, due } = aBoard();
    open('a');
    linked();
    told('a', found('running'));
    expect(due(timing.auditMs - 1)).toEqual([]);
    at(1_000);
    linked();
    expect(due(1_000)).toEqual(['a']);
  });

  test('[R8] after a socket is lost, polling takes over, and goes when it is back', () => {
    const { open, told, at, linked, unlinked, due } = aBoard();
    linked();
    open('a');
    at(10_000);
    told('a', started);
    unlinked();
    expect(due(10_000 + timing.takeoverMs - 1)).toEqual([]);
    expect(due(10_000 + timing.takeoverMs)).toEqual(['a']);
    at(12_000);
    expect(told('a', found('running'))).toMatchObject([{ via: 'polling' }]);
    expect(due(12_000 + timing.pollMs)).toEqual(['a']);
    at(13_000);
    linked();
    expect(told('a', found('running'))).toMatchObject([{ via: 'websocket' }]);
    expect(due(13_000 + timing.auditMs - 1)).toEqual([]);
  });

  test.each([5_000, 300_000, 3_600_000])(
    '[R8] after the clock was set back by %d ms, a job is looked up until that is answered, then as often as before',
    (byMs) => {
      const { open, told, at, due } = aBoard();
      const [before, now] = [2 * byMs, byMs];
      at(before);
      open('a');
      told('a', found('running'));
      expect(due(before)).toEqual([]);
      expect([due(now), due(now + 250)]).toEqual([['a'], ['a']]);
      at(now + 500);
      told('a', found('running'));
      expect(due(now + 500 + timing.pollMs - 1)).toEqual([]);
      expect(due(now + 500 + timing.pollMs)).toEqual(['a']);
    },
  );

  test('[R8] a look that is due takes along the jobs whose audit comes up soon: one request for all', () => {
    const { open, told, at, linked, due } = aBoard();
    linked();
    for (const [n, id] of ['a', 'b', 'c', 'd'].entries()) {
      open(id);
      at((n * timing.auditMs) / 4);
      told(id, step(1));
    }
    at(timing.auditMs);
    expect(due(timing.auditMs - 1)).toEqual([]);
    expect(due(timing.auditMs)).toEqual(['a', 'b', 'c']);
    for (const id of ['a', 'b', 'c']) told(id, found('running'));
    // They are due after twice the time: `d` comes first, and takes them along when it has waited for as long.
    expect(due(1.75 * timing.auditMs - 1)).toEqual([]);
    expect(due(1.75 * timing.auditMs)).toEqual(['d']);
    expect([...due(2.25 * timing.auditMs)].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('[R4] a job that was not found is not taken along: its looks are counted', () => {
    const { open, told, linked, due } = aBoard();
    linked();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, found('running'));
    }
    told('a', absent);
    told('b', cancelAsked);
    expect(due(timing.soonMs)).toEqual(['b']);
  });

  test('looks are for the jobs of one server', () => {
    const { open, due } = aBoard();
    open('a');
    open('b', { serverUrl: 'http://elsewhere' });
    expect(due(1e9)).toEqual(['a']);
    expect(due(1e9, 'http://elsewhere')).toEqual(['b']);
  });
});

test('a job that is run elsewhere is looked up there, and no more where it was', () => {
  const { board, open, told, due } = aBoard();
  open('a', { retry: { maxAttempts: 2, onLost: 'resubmit' } });
  open('b', { serverUrl: 'http://elsewhere' });
  told('a', found('running'));
  expect(board.mayRunAgain(SERVER).map(({ state }) => state.promptId)).toEqual(['a']);
  expect(board.mayRunAgain('http://elsewhere')).toEqual([]);
  told('a', { tag: 'abandoned' }, { tag: 'posting', runId: 'r2', clientId: 'c', serverUrl: 'http://elsewhere' });
  told('a', accepted());
  told('r2', found('running'));
  expect([due(1e9), [...due(1e9, 'http://elsewhere')].sort()]).toEqual([[], ['a', 'b']]);
});

test('a job that is suspected is looked up now, and one that is gone is nobody’s trouble', () => {
  const { open, told, linked, take, due } = aBoard();
  linked();
  open('a');
  told('a', found('running'));
  expect(due(500)).toEqual([]);
  take({ tag: 'suspected', promptId: 'a', at: 500 });
  expect(due(500)).toEqual(['a']);
  expect(take({ tag: 'suspected', promptId: 'gone', at: 500 })).toEqual([]);
});
