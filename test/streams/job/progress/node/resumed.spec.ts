import { shownAt } from '../../../../../streams/job/progress/bar';
import type { RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, running, shownAtTimes, type Nodes } from '../a-run';

const training = (steps: number): Nodes => ({
  '1': ['TrainLoraNode', { steps }],
  '2': ['SaveImage', { images: ['1', 0] }],
});

/** A training that goes on at step 2,000 of 3,000, half a second each, after two seconds. */
function resumed(nodes: Nodes, made: number): RunClock {
  let run = executing(aRun(nodes), '1', 0);
  for (let n = 1; n <= made; n++) run = stepped(run, '1', 2_000 + n, 3_000, 2_000 + n * 500);
  return run;
}

test('a training that goes on in the midst has not made the first steps in no time: its bar does not leap with its first frame', () => {
  const run = resumed(training(3_000), 1);
  expect(timeLeft(run, 2_500).ms).toBeGreaterThan(250_000);
  expect(shownAt(run, 2_500).share).toBeLessThan(0.02);
});

test('it is expected to go on to what it counts to', () =>
  expect(timeLeft(resumed(training(3_000), 200), 102_000).ms / 400_000).toBeCloseTo(1, 1));

test('if it declares fewer steps than it counts to, it is expected to make those', () =>
  expect(timeLeft(resumed(training(500), 200), 102_000).ms / 150_000).toBeCloseTo(1, 1));

describe('a run whose beginning was not heard, its socket away', () => {
  /** Found at 0 with 7 steps of 60 made, a third of a second each, by a class that nobody knows. */
  const found = () =>
    snapshot(
      aRun({ '1': ['Mixes', { steps: 60 }], '2': ['SaveImage', { images: ['1', 0] }] }),
      [running('1', 7, 60)],
      0,
    );

  test('the time of those steps is not known: the bar waits for the next one, and does not run ahead of it', () => {
    const ticks = Array.from({ length: 13 }, (_, n) => (n + 1) * 25);
    expect(shownAtTimes(found(), ticks).at(-1)?.share).toBeLessThan(7 / 60);
  });

  test('the next step tells the pace', () =>
    expect(timeLeft(stepped(found(), '1', 8, 60, 333), 333).ms / (52 * 333)).toBeCloseTo(1, 1));
});
