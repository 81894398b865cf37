import { learned, type LearnedEntry } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { executing, runClock, stepped } from '../../../../../streams/job/progress/run-clock';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { graph, sampling, type Nodes } from '../a-run';

const ONE = 'http://one:8188';

/** A run of `sampling` that took 2 s to load, `stepMs` a step, 1 s to decode. */
function sampled(nodes: Nodes, stepMs: number) {
  const steps = planOf(graph(nodes)).nodes.get('2')?.steps ?? 0;
  let run = executing(runClock(planOf(graph(nodes)), { at: 0 }), '1', 0);
  run = executing(run, '2', 2_000);
  for (let n = 1; n <= steps; n++) run = stepped(run, '2', n, steps, 2_000 + n * stepMs);
  run = executing(run, '3', 2_000 + steps * stepMs);
  return executing(run, '4', 3_000 + steps * stepMs);
}
const expectedMs = (known: ReturnType<typeof learned>, nodes: Nodes, server = ONE): number =>
  timeLeft(runClock(planOf(graph(nodes)), { at: 0, durations: known.durationsOn(server) }), 0).ms;

const withSteps = (steps: number): Nodes => ({ ...sampling, '2': ['KSampler', { model: ['1', 0], steps, seed: 7 }] });

test('a workflow that ran before is expected to take as long again', () => {
  const known = learned();
  for (const stepMs of [900, 1_100]) known.learn(ONE, sampled(sampling, stepMs), 3_000 + 10 * stepMs);
  expect(expectedMs(known, sampling) / 13_000).toBeCloseTo(1, 1);
});

test('twice the steps take twice the time of the steps', () => {
  const known = learned();
  known.learn(ONE, sampled(withSteps(10), 1_000), 13_000);
  expect(expectedMs(known, withSteps(40)) / 43_000).toBeCloseTo(1, 0);
});

test('each server has its own pace; one that is not known has that of the others', () => {
  const known = learned();
  known.learn(ONE, sampled(sampling, 1_000), 13_000);
  known.learn('http://two:8188', sampled(sampling, 100), 4_000);
  expect(expectedMs(known, sampling)).toBeGreaterThan(2 * expectedMs(known, sampling, 'http://two:8188'));
  expect(expectedMs(known, sampling, 'http://three:8188')).toBeLessThan(expectedMs(known, sampling));
});

test('what one instance learnt another knows by what was kept', () => {
  const [one, other] = [learned(), learned()];
  other.take(one.learn(ONE, sampled(sampling, 700), 10_000));
  expect(expectedMs(other, sampling) / expectedMs(one, sampling)).toBeCloseTo(1, 2);
});

test('[R15] what is kept and no such thing is left out', () => {
  const known = learned();
  const before = expectedMs(known, sampling);
  const kept = learned().learn(ONE, sampled(sampling, 5_000), 60_000);
  const bad = [
    '',
    '{',
    '[]',
    '[1,2]',
    '[-1,1,1,1,1]',
    '["a",1,1,1,1]',
    '[["a"],1,[1],[1],[1],true,1,1]',
    'null',
    '1e999',
  ];
  known.take(kept.flatMap(([key]) => bad.map((text): LearnedEntry => [key, text])));
  known.take([
    ['', '[1,1,1,1,1]'],
    ['x', '[1,1,1,1,1]'],
  ]);
  expect(expectedMs(known, sampling)).toBe(before);
});

test('[R16] a hundred thousand runs of five hundred workflows are kept in a megabyte', () => {
  const known = learned();
  const kept = new Map<string, string>();
  for (let n = 0; n < 2_000; n++) {
    const nodes: Nodes = {
      ...withSteps(5),
      '9': [`Class${n % 500}`, { strength: n % 500, image: ['3', 0] }],
      '10': ['SaveImage', { images: ['9', 0] }],
    };
    for (const [key, text] of known.learn(ONE, sampled(nodes, 100 + (n % 7)), 9_000)) {
      if (text === undefined) kept.delete(key);
      else kept.set(key, text);
    }
  }
  const bytes = [...kept].reduce((sum, [key, text]) => sum + key.length + text.length, 0);
  expect(bytes).toBeLessThan(1_000_000);
});
