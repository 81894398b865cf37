import { jobBoard, type BoardEvent } from '../../../streams/board/board';
import { bounds } from '../../../streams/bounds';
import { jobOf } from '../../../streams/job/job';
import { defaultTiming as timing } from '../../../streams/job/timing';
import type { JobState } from '../../../streams/job/job-state';
import type { Durations } from '../../../streams/job/progress/plan/expected';
import { aFailure, aState, sampling, type Fact } from '../job/a-job';
import { step } from '../job/facts';

/** A board with a job whose node makes a step each `stepMs`, up to the fourth. */
function withSteps(stepMs: number) {
  const board = jobBoard(timing);
  const take = (event: BoardEvent) =>
    board.take(event).flatMap((change) => (change.tag === 'state' ? [change.state] : []));
  take({ tag: 'linked', clientId: 'c', at: 0 });
  take({ tag: 'opened', job: jobOf(aState({ promptId: 'a' }), { graph: sampling, accepted: true, linked: true }) });
  const told = (at: number, fact: Fact) => take({ promptId: 'a', at, ...fact });
  told(0, { tag: 'executing', nodeId: '2' });
  for (let n = 1; n <= 4; n++) told(n * stepMs, step(n));
  return { take, told, hurried$: board.hurried$ };
}

test('the bar of a run of less than twenty seconds moves on between two frames, that of a longer one each second', () => {
  const moved = (stepMs: number, afterMs: number): number =>
    withSteps(stepMs).take({ tag: 'moment', at: 4 * stepMs + afterMs }).length;
  expect([moved(50, 5), moved(50, 40)]).toEqual([0, 1]);
  expect([moved(200, 40), moved(200, 150)]).toEqual([0, 1]);
  expect([moved(1_200, 300), moved(1_200, 950)]).toEqual([0, 1]);
  expect([moved(2_000, 40), moved(2_000, 900)]).toEqual([0, 0]);
  expect([moved(20_000, 50), moved(20_000, 1_000)]).toEqual([0, 0]);
  expect(withSteps(20_000).take({ tag: 'clock', at: 81_000 })).toHaveLength(1);
});

test('there is no hurry but while a run of less than twenty seconds goes on, or bars are left over', () => {
  const hurries = (stepMs: number): readonly boolean[] => {
    const { take, told, hurried$ } = withSteps(stepMs);
    const seen: boolean[] = [];
    // Before its first step, any run may be short.
    take({ tag: 'moment', at: 4 * stepMs });
    hurried$.subscribe((isHurried) => seen.push(isHurried));
    take({ tag: 'clock', at: 4 * stepMs + 1 });
    told(4 * stepMs + 2, { tag: 'broke', failure: aFailure('node_error') });
    take({ tag: 'moment', at: 4 * stepMs + 25 });
    return seen;
  };
  expect([hurries(50), hurries(20_000)]).toEqual([[true, false], [false]]);
});

test('the clock leaves a bar alone that a frame has moved in the last half second', () => {
  const movedAfter = (ms: number): number => withSteps(20_000).take({ tag: 'clock', at: 80_000 + ms }).length;
  expect([movedAfter(250), movedAfter(499), movedAfter(500)]).toEqual([0, 0, 1]);
});

test('of many jobs that run, the clock moves the bars in portions: each once a second, whoever has ended meanwhile', () => {
  const board = jobBoard(timing);
  const ids = Array.from({ length: 60 }, (_, n) => `job ${n}`);
  for (const promptId of ids) {
    board.take({ tag: 'opened', job: jobOf(aState({ promptId }), { graph: sampling, accepted: true, linked: true }) });
    board.take({ promptId, at: 0, tag: 'executing', nodeId: '2' });
    for (let n = 1; n <= 4; n++) board.take({ promptId, at: n * 20_000, ...step(n) });
  }
  const movedBy = (tag: 'clock' | 'moment', at: number): readonly string[] =>
    board.take({ tag, at }).flatMap((change) => (change.tag === 'state' ? [change.state.promptId] : []));
  const first = movedBy('clock', 82_000);
  board.take({ promptId: 'job 0', at: 82_010, tag: 'broke', failure: aFailure('node_error') });
  const hurries: boolean[] = [];
  board.hurried$.subscribe((isHurried) => hurries.push(isHurried));
  const later = [82_025, 82_050, 82_075].map((at) => movedBy('moment', at));
  expect(hurries).toEqual([true, false]);
  expect([first, ...later].map(({ length }) => length)).toEqual([25, 25, 9, 0]);
  expect(new Set([...first, ...later.flat()])).toEqual(new Set(ids.slice(1)));
});

test('of more jobs than an instance writes in a second, the clock moves each second those that somebody follows, the others at turns', () => {
  const followed = new Set(['job 0', 'job 1500', 'job 2299']);
  const board = jobBoard(timing, undefined, undefined, undefined, (promptId) => followed.has(promptId));
  const ids = Array.from({ length: 2_300 }, (_, n) => `job ${n}`);
  for (const promptId of ids) {
    board.take({ tag: 'opened', job: jobOf(aState({ promptId }), { graph: sampling, accepted: true, linked: true }) });
    board.take({ promptId, at: 0, tag: 'executing', nodeId: '2' });
    for (let n = 1; n <= 4; n++) board.take({ promptId, at: n * 20_000, ...step(n) });
  }
  let isHurried = false;
  board.hurried$.subscribe((is) => (isHurried = is));
  const movedIn = (second: number): readonly string[] => {
    const changes = [...board.take({ tag: 'clock', at: second * 1_000 })];
    for (let at = second * 1_000 + 25; isHurried; at += 25) changes.push(...board.take({ tag: 'moment', at }));
    return changes.flatMap((change) => (change.tag === 'state' ? [change.state.promptId] : []));
  };
  const seconds = [82, 83, 84].map(movedIn);
  for (const moved of seconds) {
    expect(moved).toEqual(expect.arrayContaining([...followed]));
    expect(moved.length).toBeLessThanOrEqual(bounds.writesPerSecond + followed.size);
  }
  expect(new Set(seconds.flat())).toEqual(new Set(ids));
});

describe('while its socket is away', () => {
  /** The bar, in percent, and what is left, so long after the socket closed, at 4 of 10 steps. */
  const awayFor = (ms: number) => {
    const { take } = withSteps(1_000);
    take({ tag: 'unlinked', clientId: 'c', at: 4_000, clean: false });
    return take({ tag: 'clock', at: 4_000 + ms }).at(-1);
  };

  test('no step is late: the bar goes on at the pace that it had', () => {
    const [{ progress = 0, etaMs = 0 } = {}, { etaMs: laterMs = 0 } = {}] = [awayFor(1_000), awayFor(4_000)];
    expect(progress).toBeGreaterThan(30);
    expect(etaMs - laterMs).toBeGreaterThan(2_500);
  });

  test('nor is one that comes once it is back', () => {
    const { take } = withSteps(1_000);
    const before = take({ tag: 'clock', at: 4_500 }).at(-1)?.etaMs ?? 0;
    take({ tag: 'unlinked', clientId: 'c', at: 4_500, clean: false });
    take({ tag: 'linked', clientId: 'c', at: 7_000 });
    expect(take({ tag: 'clock', at: 7_500 }).at(-1)?.etaMs).toBeLessThan(before);
  });
});

test('a step that waited to be read was made when its frame came', () => {
  const left = (more: object): number => {
    const { told } = withSteps(400);
    return told(3_000, { tag: 'stepped', nodeId: '2', value: 5, max: 10, ...more }).at(-1)?.etaMs ?? 0;
  };
  expect(left({ cameAt: 2_000 })).toBeLessThan(left({}) - 400);
  // No clock is set because of it, and no run begins before it began.
  expect(left({ cameAt: -1e6 })).toBeGreaterThan(0);
});

test('what is left of a run that stalls at its end is told again and again, though its bar stands', () => {
  const known: Durations = () => ({ fixedMs: 100, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: 1 });
  const board = jobBoard(timing, undefined, () => known);
  const told: JobState[] = [];
  const take = (event: BoardEvent): void => {
    for (const change of board.take(event)) if (change.tag === 'state') told.push(change.state);
  };
  take({
    tag: 'opened',
    job: jobOf(aState({ promptId: 'a', progress: 99.9 }), { graph: sampling, accepted: true, linked: true }),
  });
  take({ promptId: 'a', at: 0, tag: 'executing', nodeId: '3' });
  for (let at = 1_000; at <= 100_000; at += 1_000) take({ tag: 'clock', at });
  const last = told.at(-1);
  expect(last?.etaMs).toBeGreaterThan(30_000);
  expect(last?.updatedAt).toBeGreaterThan(80_000);
  // Not each second.
  expect(told.filter(({ updatedAt }) => updatedAt > 50_000).length).toBeLessThan(15);
});

test('[R2] a bar that goes on where it was does not fall by what a share loses as a decimal', () => {
  const board = jobBoard(timing);
  const taken = jobOf(aState({ promptId: 'a', progress: 53.3 }), { graph: sampling, accepted: true, linked: true });
  board.take({ tag: 'opened', job: taken });
  const changes = board.take({ promptId: 'a', at: 0, tag: 'executing', nodeId: '2' });
  const shown = changes.flatMap((change) => (change.tag === 'state' ? [change.state.progress] : []));
  expect(shown.at(-1)).toBeGreaterThanOrEqual(53.3);
});
