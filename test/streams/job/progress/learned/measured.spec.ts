import {
  expectedFrom,
  inOtherHeat,
  withRun,
  type Measured,
  type Taken,
} from '../../../../../streams/job/progress/learned/measured';
import { roundsOf, withRounds, type ClassRounds } from '../../../../../streams/job/progress/learned/class-rounds';
import type { Expected } from '../../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { graph } from '../a-run';
import * as fc from 'fast-check';
import { sharesOfTime } from '../../../../../streams/job/progress/learned/side-by-side';

const node = planOf(graph({ '1': ['Thing', {}] })).nodes.get('1')!;
const silent: Taken = { beforeMs: 5_000, stepMs: 0, steps: 1, rounds: 1, afterMs: 0, alone: 1 };
const counting: Taken = { ...silent, beforeMs: 1_000, stepMs: 100, steps: 10 };
const measured = (...runs: readonly Taken[]): Measured =>
  runs.reduce<Measured | undefined>((all, run) => withRun(all, run), undefined)!;

test.each<[string, readonly Taken[], number]>([
  ['counted in most of its runs, though not in the last', [counting, counting, silent], 100],
  ['counted in the last of its runs only', [silent, silent, counting], 100],
  ['counted in one of its runs, and not in the last', [counting, silent, silent], 0],
])('a node that %s is expected to count by that', (_, runs, stepMs) => {
  const expected = expectedFrom(measured(...runs), node);
  expect(expected.stepMs).toBeCloseTo(stepMs);
  expect(expected.fixedMs).toBeCloseTo(stepMs === 0 ? 5_000 : 1_000);
});

test('the share that a node had to itself is the mean of its runs', () => {
  expect(measured({ ...silent, alone: 1 }, { ...silent, alone: 0.5 }, { ...silent, alone: 0.3 }).alone).toBeCloseTo(
    0.6,
  );
});

test('of how often a class counts in workflows the middle is told, of two the smaller, and how far they differ', () => {
  const told = (...rounds: readonly number[]) => roundsOf(rounds.map((each, n) => [`${n}`, each]));
  expect(told(9, 2, 4)).toEqual({ rounds: 4, spread: Math.sqrt((Math.log(2) ** 2 + Math.log(9 / 4) ** 2) / 3) });
  expect(told(9, 4).rounds).toBe(4);
  expect(told(0.25, 2)).toEqual({ rounds: 0.25, spread: 0 });
  // [R16] Of the last five workflows only.
  const six = [1, 2, 3, 4, 5, 6].reduce<ClassRounds>((all, n) => withRounds(all, `shape ${n}`, n), []);
  expect(six.map(([, rounds]) => rounds)).toEqual([2, 3, 4, 5, 6]);
  expect(told(0.25, 2, 2).spread).toBeCloseTo(Math.log(2) / Math.sqrt(3));
});

describe('a node that was measured in runs', () => {
  const expected: Expected = { fixedMs: 9_000, stepMs: 100, steps: 10, rounds: 1, alone: 1, trust: 0.5 };

  test('with loaded models takes its loading longer where they are not', () => {
    expect(inOtherHeat(expected, true, { ms: 4_000, share: 0.25 })).toEqual({
      ...expected,
      fixedMs: 13_000,
      trust: 0.4,
    });
  });

  test.each([
    ['a quarter of the loading', 4_000, 1_000],
    ['a step, where that is longer', 40, 100],
    ['what it took, where that is shorter', 400_000, 9_000],
  ])('that loaded them is expected to begin its steps after %s', (_, loadingMs, fixedMs) => {
    expect(inOtherHeat(expected, false, { ms: loadingMs, share: 0.25 })).toEqual({ ...expected, fixedMs, trust: 0.4 });
  });

  test('that loaded them takes less, by the share of its loading, and less surely, where it does not count', () => {
    const silently = inOtherHeat({ ...expected, stepMs: 0 }, false, { ms: 4_000, share: 0.25 });
    expect(silently).toEqual({ ...expected, stepMs: 0, fixedMs: 6_750, trust: 0.8 * 0.5 * 0.875 });
  });
});

const shares = (...spans: readonly (readonly [id: string, from: number, to: number])[]) =>
  Object.fromEntries(sharesOfTime(spans.map(([id, from, to]) => ({ id, from, to }))));

test('a node that nothing runs beside has all of its time', () => {
  expect(shares(['a', 0, 10], ['b', 10, 40])).toEqual({ a: 1, b: 1 });
});

test('two side by side have half of it each, while both are at work', () => {
  expect(shares(['a', 0, 10], ['b', 0, 5])).toEqual({ a: 0.75, b: 0.5 });
});

test('what nodes take, weighed so, is what the run takes', () => {
  const span = fc.record({ id: fc.uuid(), from: fc.nat(1_000), took: fc.integer({ min: 1, max: 1_000 }) });
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 20 }), (spans) => {
      // A node from the beginning to the end leaves no gap.
      const all = [...spans, { id: 'all', from: 0, took: 2_000 }];
      const byId = sharesOfTime(all.map(({ id, from, took }) => ({ id, from, to: from + took })));
      const sum = all.reduce((total, { id, took }) => total + took * (byId.get(id) ?? 0), 0);
      expect(sum).toBeCloseTo(2_000, 3);
    }),
  );
});
