import { learned, type LearnedEntry } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock } from '../../../../../streams/job/progress/run-clock';
import { executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { finished, graph, running, sampling, type Nodes } from '../a-run';

const ONE = 'http://one:8188';

/** A run of `sampling` that took 2 s to load, `stepMs` a step, 1 s to decode. */
function sampled(nodes: Nodes, stepMs: number) {
  const plan = planOf(graph(nodes));
  const steps = plan.nodes.get('2')?.steps ?? 0;
  let run = executing(runClock(plan, { at: 0 }), '1', 0);
  run = executing(run, '2', 2_000);
  for (let n = 1; n <= steps; n++) run = stepped(run, '2', n, steps, 2_000 + n * stepMs);
  run = executing(run, '3', 2_000 + steps * stepMs);
  return executing(run, '4', 3_000 + steps * stepMs);
}
const loading: Nodes = {
  '1': ['UNETLoader', { unet_name: 'a.safetensors' }],
  '4': ['SaveImage', { images: ['1', 0] }],
};
/** A run of `loading` that takes 1 s to save. */
const loaded = (loadMs: number) =>
  executing(executing(runClock(planOf(graph(loading)), { at: 0 }), '1', 0), '4', loadMs);

const calls: Nodes = {
  '1': ['ApiNode', { seconds: 10 }],
  '2': ['ApiNode', { seconds: 5 }],
  '3': ['SaveImage', { a: ['1', 0], b: ['2', 0] }],
};
/** A run of `calls` in which both were asked at once, and answered after 10 and 5 s. */
const sideBySide = () => {
  const begun = snapshot(runClock(planOf(graph(calls)), { at: 0 }), [running('1'), running('2')], 0);
  const half = snapshot(begun, [running('1'), finished('2')], 5_000);
  return snapshot(half, [finished('1'), finished('2'), finished('3')], 10_000);
};

const expectedMs = (known: ReturnType<typeof learned>, nodes: Nodes, server = ONE): number =>
  timeLeft(runClock(planOf(graph(nodes)), { at: 0, durations: known.durationsOn(server) }), 0).ms;

const withSteps = (steps: number): Nodes => ({ ...sampling, '2': ['KSampler', { model: ['1', 0], steps, seed: 7 }] });

test('a workflow that ran before is expected to take as long again', () => {
  const known = learned();
  for (const stepMs of [900, 1_100]) known.learn(ONE, sampled(sampling, stepMs), 3_000 + 10 * stepMs);
  expect(expectedMs(known, sampling) / 13_000).toBeCloseTo(1, 1);
});

test('a run that once paid for an import says little of the next; that it was for once, the next says', () => {
  for (const loads of [
    [100, 9_000],
    [9_000, 100],
  ]) {
    const known = learned();
    for (const loadMs of loads) known.learn(ONE, loaded(loadMs), loadMs + 1_000);
    expect(expectedMs(known, loading)).toBeLessThan(2_000);
  }
});

test('a server that has become slow for good is known to be within some runs', () => {
  const known = learned();
  for (const loadMs of [100, 100, 100, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000])
    known.learn(ONE, loaded(loadMs), loadMs + 1_000);
  expect(expectedMs(known, loading)).toBeGreaterThan(7_000);
});

test('nodes that ran side by side take as long together as they took', () => {
  const known = learned();
  for (let n = 0; n < 2; n++) known.learn(ONE, sideBySide(), 10_000);
  expect(expectedMs(known, calls) / 10_000).toBeCloseTo(1, 1);
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

test('[R16] what others keep beyond the bound is told, to be forgotten', () => {
  const known = learned();
  const kept = learned().learn(ONE, sampled(sampling, 700), 10_000);
  const [, text] = kept.find(([key]) => key.startsWith('n'))!;
  const many = (from: number): readonly LearnedEntry[] =>
    Array.from({ length: 8_000 }, (_, n) => [`n${from + n}`, text]);
  expect(known.take(many(0))).toEqual([]);
  expect(known.take(many(0))).toEqual([]);
  expect(known.take(many(5))).toEqual(Array.from({ length: 5 }, (_, n) => [`n${n}`, undefined]));
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
    '[-1,1,1,1,1,1]',
    '["a",1,1,1,1,1]',
    '[1,1,1,1,1]',
    '[["a"],1,[1],[1],[1],true,1,1]',
    'null',
    '1e999',
  ];
  known.take(kept.flatMap(([key]) => bad.map((text): LearnedEntry => [key, text])));
  known.take([
    ['', '[1,1,1,1,1,1]'],
    ['x', '[1,1,1,1,1,1]'],
  ]);
  expect(expectedMs(known, sampling)).toBe(before);
});

test.each([
  ['runs', 1, '1e999'],
  ['sums', 2, '[1e999 …]'],
  ['steps', 6, '1e999'],
  ['steps', 6, '-5'],
  ['rounds', 7, '[["abcd",1e999]]'],
  ['rounds', 7, '[["abcd",-3]]'],
])('[R15] a class whose %s (place %i) are %s is left out', (_, place, bad) => {
  const known = learned();
  const other = withSteps(20);
  const before = expectedMs(known, other);
  const kept = learned().learn(ONE, sampled(sampling, 5_000), 60_000);
  const classes = kept.filter(([key]) => key.startsWith('c') && key.includes('KSampler'));
  expect(classes.length).toBeGreaterThan(0);
  known.take(
    classes.map(([key, text = '']): LearnedEntry => {
      const fields = (JSON.parse(text) as readonly unknown[]).map((field) => JSON.stringify(field));
      const sum = bad.startsWith('[1e999') ? fields[place]!.replace(/[\d.]+/, '1e999') : bad;
      return [key, `[${fields.with(place, sum).join()}]`];
    }),
  );
  expect(expectedMs(known, other)).toBe(before);
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
