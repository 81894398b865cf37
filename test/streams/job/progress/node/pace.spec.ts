import { silentMs, spread } from '../../../../../streams/job/progress/node/node-left';
import { learned } from '../../../../../streams/job/progress/learned/learned';
import type { RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, running, type Nodes } from '../a-run';

const sampling: Nodes = { '1': ['KSampler', { steps: 40 }], '2': ['SaveImage', { images: ['1', 0] }] };

/** What is left after steps that took so long each, ms. */
function leftAfter(steps: readonly number[]): number {
  let [run, at] = [executing(aRun(sampling), '1', 0), 0];
  for (const [n, ms] of steps.entries()) run = stepped(run, '1', n + 1, 40, (at += ms));
  return timeLeft(run, at).ms;
}
const times = (count: number, ms: number): readonly number[] => Array.from({ length: count }, () => ms);

test('steps that take three times as long from the middle on are expected to go on so', () => {
  const left = leftAfter([...times(20, 1_000), ...times(9, 3_000)]);
  expect(left / (11 * 3_000)).toBeGreaterThan(0.7);
  expect(left / (11 * 3_000)).toBeLessThan(1.1);
});

test('a single step that is late by half changes next to nothing', () => {
  const [left, late] = [leftAfter(times(20, 1_000)), leftAfter([...times(19, 1_000), 1_500])];
  expect(late / left).toBeLessThan(1.04);
});

test('where the number that a node counts to grows with its steps, as many are expected as have come', () => {
  let run = executing(aRun(sampling), '1', 0);
  for (let n = 1; n <= 30; n++) run = stepped(run, '1', n, 10 + n, 1_000 * n);
  expect(timeLeft(run, 30_000).ms / 30_000).toBeCloseTo(1, 1);
  // It is all one bar, and one round of it.
  expect(run.nodes.get('1')).not.toHaveProperty('first');
  expect(run.nodes.get('1')?.rounds).toBe(0);
});

test('what is silent past its time is expected to go on: a guess for longer than what was measured, either for longer the later it is', () => {
  const left = (trust: number, elapsedMs: number): number => silentMs(10_000, elapsedMs, spread(trust));
  expect(left(0, 20_000)).toBeGreaterThan(3 * left(1, 20_000));
  for (const trust of [0, 1]) expect(left(trust, 40_000)).toBeGreaterThan(1.5 * left(trust, 20_000));
});

test('a step is not late before it would be told: snapshots come a tenth of a second apart', () => {
  let run = executing(aRun(sampling), '1', 0);
  for (let n = 1; n <= 5; n++) run = snapshot(run, [running('1', 2 * n, 40)], 100 * n);
  const [now, later] = [500, 595].map((at) => timeLeft(run, at).ms);
  expect((now ?? 0) - (later ?? 0)).toBeGreaterThan(80);
});

describe('a node whose class had 100 ms a step in this run', () => {
  const two: Nodes = {
    '1': ['KSampler', { steps: 20 }],
    '2': ['KSampler', { steps: 10, latent_image: ['1', 0] }],
    '3': ['SaveImage', { images: ['2', 0] }],
  };
  /** The second at work since 2 s. */
  const second = () => {
    let run = executing(aRun(two), '1', 0);
    for (let n = 1; n <= 20; n++) run = stepped(run, '1', n, 20, 100 * n);
    return executing(run, '2', 2_000);
  };

  test('is expected to have it, too, after a first step that took as long as it takes to load', () => {
    expect(timeLeft(second(), 3_500).ms).toBeLessThan(2_500);
  });

  test('is expected to be slower where nothing was heard of it for as long as 20 steps, the more so the longer', () => {
    const [late, later] = [timeLeft(second(), 6_500).ms, timeLeft(second(), 9_000).ms];
    expect(late).toBeGreaterThan(9 * 4_500);
    expect(later).toBeGreaterThan(9 * 7_000);
  });

  test('has steps as long as the first, where that took three times theirs, until the second tells', () => {
    const first = stepped(second(), '2', 1, 10, 2_400);
    expect(timeLeft(first, 2_400).ms / (9 * 400)).toBeGreaterThan(0.9);
    const next = stepped(first, '2', 2, 10, 2_500);
    expect(timeLeft(next, 2_500).ms).toBeLessThan(1_500);
  });
});

describe('a node that goes on to another max', () => {
  /** Counts as a server tells: to each value of the given max, a step a second. */
  const counting = (start: RunClock, ...parts: readonly (readonly [to: number, max: number])[]): RunClock => {
    let run = executing(start, '1', 0);
    let value = 0;
    for (const [to, max] of parts) while (value < to) run = stepped(run, '1', ++value, max, value * 1_000);
    return run;
  };
  const only: Nodes = { '1': ['Tracker', {}], '2': ['SaveImage', { images: ['1', 0] }] };
  const learntOf = (...parts: readonly (readonly [to: number, max: number])[]) => {
    const known = learned();
    const end = parts.at(-1)![0] * 1_000;
    for (let n = 0; n < 2; n++) known.learn('s', executing(counting(aRun(only), ...parts), '2', end), end + 100);
    return aRun(only, { durations: known.durationsOn('s') });
  };

  test('has fewer steps to come if that is less, in the same bar', () => {
    const run = counting(aRun(only), [10, 40], [11, 20]);
    expect(run.nodes.get('1')).not.toHaveProperty('first');
    expect(timeLeft(run, 11_000).ms / 9_000).toBeCloseTo(1, 0);
  });

  test.each([
    [
      'less',
      [
        [10, 40],
        [20, 20],
      ],
      20,
    ],
    [
      'more',
      [
        [10, 20],
        [60, 60],
      ],
      60,
    ],
  ] as const)('is expected to do so in the next run, if that is %s', (_, parts, all) => {
    const at = (to: number, ...more: readonly (readonly [number, number])[]): number =>
      timeLeft(counting(learntOf(...parts), ...more), to * 1_000).ms / 1_000;
    const [[turn, first], [, last]] = parts;
    expect(at(5, [5, first]) / (all - 5)).toBeCloseTo(1, 0);
    expect(at(15, [turn, first], [15, last]) / (all - 15)).toBeCloseTo(1, 0);
  });
});
