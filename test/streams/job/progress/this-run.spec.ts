import { shownAt } from '../../../../streams/job/progress/bar';
import type { RunClock } from '../../../../streams/job/progress/run-clock';
import { executing } from '../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../streams/job/progress/time-left';
import { aRun, type Nodes } from './a-run';

/** Nodes of these classes, one after the other, and one that saves. */
const chain = (types: readonly string[]): Nodes =>
  Object.fromEntries<Nodes[string]>([
    ...types.map((type, n): [string, Nodes[string]] => [`${n}`, [type, n === 0 ? {} : { image: [`${n - 1}`, 0] }]]),
    ['save', ['SaveImage', { images: [`${types.length - 1}`, 0] }]],
  ]);
const times = <T>(count: number, of: (n: number) => T): readonly T[] => Array.from({ length: count }, (_, n) => of(n));

/** A run in which the first nodes took so long each, and the next one begins. */
function after(types: readonly string[], tookMs: readonly number[]): { readonly run: RunClock; readonly at: number } {
  let at = 0;
  let run = executing(aRun(chain(types)), '0', 0);
  for (const [n, ms] of tookMs.entries()) run = executing(run, `${n + 1}`, (at += ms));
  return { run, at };
}
const leftAfter = (types: readonly string[], tookMs: readonly number[]): number => {
  const { run, at } = after(types, tookMs);
  return timeLeft(run, at).ms;
};

test.each([
  ['of a class that nobody knows', 'Foo', 60_000],
  ['that are guessed to take nothing', 'MaskGrowHeavy', 4_000],
  ['that are quick', 'Foo', 100],
])('nodes %s are expected to take what others of their class took', (_, type, ms) => {
  const types = times(20, () => type);
  expect(leftAfter(types, [ms, ms, ms]) / (17 * ms)).toBeCloseTo(1, 0);
});

test('nodes of classes that nobody knows tell of one another', () => {
  const types = times(20, (n) => `Foo${n}`);
  const left = leftAfter(
    types,
    times(10, () => 60_000),
  );
  expect(left / 600_000).toBeGreaterThan(0.8);
  expect(left / 600_000).toBeLessThan(1.2);
});

test('a first node that loads what the others use says little once a second is done', () => {
  const types = times(8, () => 'SAM2Segment');
  expect(leftAfter(types, [20_000])).toBeLessThan(6 * 20_000);
  expect(leftAfter(types, [20_000, 500])).toBeLessThan(6 * 1_000);
});

test('a node at work that is overdue counts with what it has taken', () => {
  const { run } = after(
    times(12, () => 'Foo'),
    [],
  );
  const left = timeLeft(run, 45_000).ms;
  expect(left).toBeGreaterThan(200_000);
  expect(left).toBeLessThan(12 * 45_000);
});

test('a node that has taken twice what was guessed is expected to take about as long again', () => {
  const run = executing(aRun(chain(['Thing'])), '0', 0);
  expect(timeLeft(run, 60_000).ms).toBeGreaterThan(45_000);
  expect(shownAt(run, 60_000).share).toBeLessThan(0.6);
});

test('a download says nothing of how quick the server is', () => {
  const types = ['DownloadAndLoadModel', 'TextThing', 'KSampler'];
  expect(leftAfter(types, [300_000]) / leftAfter(types, [3_500])).toBeCloseTo(1, 5);
});

test('of a class that brings a model of its own the first node says little of the next, and nothing of other classes', () => {
  const detectors = times(8, () => 'SAM2Segment');
  const others = times(8, () => 'Foo');
  expect(leftAfter(detectors, [20_000])).toBeLessThan(leftAfter(others, [20_000]) / 2);
  const mixed = ['SAM2Segment', ...times(6, (n) => `DetectThing${n}`)];
  expect(leftAfter(mixed, [20_000])).toBeLessThan(2 * leftAfter(mixed, [1_200]));
});

test('a second node of it says what the next ones take', () => {
  const left = leftAfter(
    times(8, () => 'SAM2Segment'),
    [9_000, 9_000],
  );
  expect(left / (6 * 9_000)).toBeGreaterThan(0.7);
  expect(left / (6 * 9_000)).toBeLessThan(1.3);
});
