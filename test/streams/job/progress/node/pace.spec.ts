import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, type Nodes } from '../a-run';

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
