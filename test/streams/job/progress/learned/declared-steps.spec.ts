import { learned, type LearnedEntry } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { graph, type Nodes } from '../a-run';

const ONE = 'http://one:8188';

/** A workflow with a node of a class that nobody knows. */
const refining = (inputs: Readonly<Record<string, number>>): Nodes => ({
  '1': ['LoadImage', { image: 'a.png' }],
  '2': ['AcmeRefiner', { image: ['1', 0], ...inputs }],
  '3': ['SaveImage', { images: ['2', 0] }],
});

/** A run of it that counts to `steps`, a tenth of a second each. */
function counted(nodes: Nodes, steps: number) {
  let run = executing(executing(runClock(planOf(graph(nodes)), { at: 0 }), '1', 0), '2', 50);
  for (let n = 1; n <= steps; n++) run = stepped(run, '2', n, steps, 50 + 100 * n);
  return executing(run, '3', 60 + 100 * steps);
}

type Run = readonly [inputs: Readonly<Record<string, number>>, steps: number];
const stepsAfter = (runs: readonly Run[], inputs: Readonly<Record<string, number>>): number => {
  const here = learned();
  const stored: LearnedEntry[] = [];
  for (const [each, steps] of runs) stored.push(...here.learn(ONE, counted(refining(each), steps), 1e6));
  // What another instance reads of it.
  const there = learned();
  there.take(stored);
  return there.durationsOn(ONE)(planOf(graph(refining(inputs))).nodes.get('2')!, true).steps;
};

test('a number that was a class’s steps in all runs is expected to be those of another workflow', () => {
  expect(stepsAfter([[{ passes: 30, level: 2 }, 30]], { passes: 90, level: 2 })).toBe(90);
});

test('one that was by chance is not', () => {
  const runs: readonly Run[] = [
    [{ level: 30, passes: 30 }, 30],
    [{ level: 50, passes: 40 }, 40],
  ];
  expect(stepsAfter(runs, { level: 70, passes: 60 })).toBe(60);
  expect(stepsAfter([...runs, [{ level: 8, passes: 60 }, 25]], { level: 70, passes: 60 })).toBe(25);
});
