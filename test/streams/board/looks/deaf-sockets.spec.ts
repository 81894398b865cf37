import { defaultTiming as timing } from '../../../../streams/job/timing';
import { accepted, ended, found, started, step, succeeded } from '../../job/facts';
import { aBoard } from '../a-board';

describe('a socket that is deaf', () => {
  /** A linked and greeted session with a job that ComfyUI took long ago. */
  const waiting = () => {
    const kit = aBoard();
    kit.linked();
    kit.heard();
    kit.open('a');
    return kit;
  };

  test('[R7] gets no `status` after an accepted workflow', () => {
    const { at, told, deaf } = waiting();
    at(100_000);
    told('a', accepted(99_900));
    expect(deaf(100_000 + timing.deafMs - 1)).toBe(false);
    expect(deaf(100_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that got it before the answer to the post', () => {
    const { at, told, heard, deaf } = waiting();
    at(99_950);
    heard();
    at(100_000);
    told('a', accepted(99_900));
    expect(deaf(110_000)).toBe(false);
  });

  test('[R7] is not one that got it in time', () => {
    const { at, told, heard, deaf } = waiting();
    at(100_000);
    told('a', accepted(99_900));
    at(101_000);
    heard();
    expect(deaf(110_000)).toBe(false);
  });

  test('[R7] brings no end that a look sees', () => {
    const { at, told, deaf } = waiting();
    told('a', started);
    at(10_000);
    told('a', ended());
    expect(deaf(10_000 + timing.deafMs - 1)).toBe(false);
    expect(deaf(10_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that brought the success whose outputs a look sees', () => {
    const { at, told, deaf } = waiting();
    told('a', succeeded);
    at(10_000);
    told('a', ended());
    expect(deaf(20_000)).toBe(false);
  });

  test('[R7] brings no start that a look sees', () => {
    const { at, told, deaf } = waiting();
    at(10_000);
    told('a', found('running'));
    expect(deaf(10_000 + timing.deafMs)).toBe(true);
  });

  test('[R7] is not one that has just been opened: what it missed came before', () => {
    const { at, linked, heard, told, deaf } = waiting();
    at(10_000);
    linked();
    heard();
    at(10_000 + timing.deafMs - 1);
    told('a', found('running'));
    expect(deaf(10_000 + 2 * timing.deafMs)).toBe(false);
  });

  test('[R7] is not one whose job another watches: looks tell nothing of it', () => {
    const { at, open, told, deaf } = waiting();
    open('b', { clientId: 'other' });
    at(10_000);
    told('b', found('running'), ended());
    expect(deaf(20_000)).toBe(false);
  });

  test('[R7] is silent for too long while a job runs, and twice as long after', () => {
    const { told, deaf } = waiting();
    told('a', started);
    expect(deaf(timing.quietMs - 1)).toBe(false);
    expect(deaf(timing.quietMs)).toBe(true);
    expect(deaf(timing.quietMs)).toBe(false);
    expect(deaf(2 * timing.quietMs)).toBe(true);
  });

  test.each([
    ['', true],
    [', after an older socket was cut off', false],
  ])('[R7] costs a handful of sockets where a node is silent for an hour%s', (_, clean) => {
    const { told, at, linked, heard, unlinked, resumed, deaf } = waiting();
    const reopen = (): void => {
      linked();
      heard();
      // ComfyUI tells each new socket so, even one that is dropped right after.
      resumed('2');
    };
    told('a', started, step(1));
    unlinked(clean);
    reopen();
    let sockets = 0;
    for (let now = 0; now < 3_600_000; now += 250) {
      if (!deaf(now)) continue;
      sockets++;
      at(now);
      unlinked(true);
      reopen();
    }
    expect(sockets).toBeGreaterThan(3);
    expect(sockets).toBeLessThan(20);
  });

  test('[R7] is told apart again once frames of a job came', () => {
    const { told, at, heard, deaf } = waiting();
    told('a', started);
    expect(deaf(timing.quietMs)).toBe(true);
    at(timing.quietMs + 1_000);
    heard();
    told('a', step(1));
    expect(deaf(2 * timing.quietMs + 999)).toBe(false);
    expect(deaf(2 * timing.quietMs + 1_000)).toBe(true);
  });

  test('[R7] falls silent into the trap that a cut-off socket left: five seconds, not thirty', () => {
    const { told, unlinked, linked, heard, at, deaf } = waiting();
    told('a', started);
    unlinked(false);
    at(1_000);
    linked();
    heard();
    expect(deaf(1_000 + timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + timing.trapQuietMs)).toBe(true);
  });

  test('[R7] falls silent into that trap while its jobs only wait: their start would be missed', () => {
    const { unlinked, linked, heard, at, deaf } = waiting();
    unlinked(false);
    at(1_000);
    linked();
    heard();
    expect(deaf(1_000 + timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + timing.trapQuietMs)).toBe(true);
    at(1_000 + timing.trapQuietMs);
    unlinked(true);
    linked();
    // Where ComfyUI has nothing to tell for long, patience doubles.
    heard();
    expect(deaf(1_000 + 3 * timing.trapQuietMs - 1)).toBe(false);
    expect(deaf(1_000 + 3 * timing.trapQuietMs)).toBe(true);
  });

  test('[R7] without a trap may be silent while its jobs only wait', () => {
    const { deaf } = waiting();
    expect(deaf(1e9)).toBe(false);
  });

  test('[R7] is not one whose server answers nothing at all: that is busy', () => {
    const { told, due, deafThoughBusy } = waiting();
    told('a', started);
    for (let time = 0; time <= 100_000; time += 250) expect(deafThoughBusy(time)).toBe(false);
    expect(due(100_000)).toEqual(['a']);
  });

  test('[R8] is told from one that is well without a question', () => {
    const { told, due, deafThoughBusy } = waiting();
    told('a', started);
    expect([deafThoughBusy(1_000), due(1_000)]).toEqual([false, []]);
  });

  test('[R7] is none that nobody opened', () => {
    expect(aBoard().deaf(1e9)).toBe(false);
  });
});
