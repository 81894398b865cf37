import { shownAt } from '../../../../../streams/job/progress/bar';
import type { RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, type Nodes } from '../a-run';

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
