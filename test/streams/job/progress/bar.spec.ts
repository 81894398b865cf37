import * as fc from 'fast-check';
import { isDue, shownAt } from '../../../../streams/job/progress/bar';
import { withCached, type RunClock } from '../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../streams/job/progress/run-events';
import { aRun, sampling, shownAtTimes, type Nodes } from './a-run';

const seconds = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, n) => from + (n + 1) * 1_000);

test('[R2] a silent node creeps within its share, slower and slower, and never to the end', () => {
  const shares = shownAtTimes(executing(aRun(sampling), '2', 0), seconds(600)).map(({ share }) => share);
  shares.forEach((share, n) => expect(share).toBeGreaterThan(shares[n - 1] ?? 0));
  expect(shares.at(-1)).toBeLessThan(1);
});

test('half the bar is over when half the time is, where the pace is what it was', () => {
  const run = [1, 2, 3, 4, 5].reduce(
    (run, n) => stepped(run, '2', n, 10, n * 20_000),
    executing(aRun(sampling), '2', 0),
  );
  const { share, leftMs, isSure } = shownAt(run, 100_000);
  expect(share).toBeCloseTo(0.5, 1);
  expect(leftMs / 100_000).toBeCloseTo(1, 0);
  expect(isSure).toBe(true);
});

test('a first step that came late holds the bar back until the second: it cannot go back', () => {
  const [atLoad = 0] = shownAtTimes(executing(aRun(sampling), '2', 0), [8_000]).map(({ share }) => share);
  const first = stepped(executing(aRun(sampling), '2', 0), '2', 1, 10, 10_000);
  const [atFirst = 0] = shownAtTimes(first, [10_000]).map(({ share }) => share);
  expect(atLoad).toBeLessThan(0.15);
  expect(atFirst).toBeLessThan(0.15);
  const second = stepped(first, '2', 2, 10, 10_500);
  const [atSecond = 0] = shownAtTimes(second, [10_500]).map(({ share }) => share);
  expect(atSecond).toBeGreaterThan(0.5);
});

/** A run that has made so many of ten steps. */
const after = (steps: number, stepMs: number): RunClock =>
  Array.from({ length: steps }, (_, n) => n + 1).reduce(
    (run, n) => stepped(run, '2', n, 10, n * stepMs),
    executing(aRun(sampling), '2', 0),
  );

test('what is shown until the next news is the middle of that time, be it a step or the clock', () => {
  for (const stepMs of [40, 100_000]) {
    const at = 2 * stepMs;
    const { share, leftMs } = shownAt(after(2, stepMs), at);
    expect(share).toBeCloseTo((at + Math.min(stepMs, 1_000) / 2) / (at + leftMs), 3);
  }
});

test('where a step is overdue, the next news is the clock’s, a second later', () => {
  const [late] = shownAtTimes(after(3, 1_000), [6_500]);
  const total = 6_500 + (late?.leftMs ?? 0);
  expect(late?.share).toBeCloseTo((6_500 + 1_000 / 2) / total, 3);
});

test('the clock moves the bar once a second, of a run of less than twenty 20 times, of less than one 40 times', () => {
  const every = (stepMs: number): number => shownAt(after(5, stepMs), 5 * stepMs).run.shown.nextMs;
  expect([every(1), every(100_000)]).toEqual([25, 1_000]);
  const quick = shownAt(after(5, 2), 10);
  expect(quick.run.shown.nextMs).toBeCloseTo((10 + quick.leftMs) / 20);
  expect(every(100)).toBeLessThan(500);
  const { run } = shownAt(after(5, 1), 5);
  expect([isDue(run, 8), isDue(run, 30)]).toEqual([false, true]);
});

test('what was shown too early is not taken back: the bar goes on more slowly, and is there at the end', () => {
  const early = { ...aRun(sampling), shown: { share: 0.8, at: 0, nextMs: 1_000 } };
  const run = [1, 2, 3].reduce((run, n) => stepped(run, '2', n, 10, n * 10_000), executing(early, '2', 0));
  const shares = shownAtTimes(run, seconds(60, 30_000)).map(({ share }) => share);
  shares.forEach((share, n) => expect(share).toBeGreaterThan(shares[n - 1] ?? 0.8));
  expect(shares.at(-1)).toBeLessThan(0.99);
  // With 70 s left and 80 % shown, 10 s more move it by an eighth of a seventh of the rest.
  const [before, after] = shownAtTimes(run, [30_000, 40_000]);
  expect(after!.share - before!.share).toBeLessThan(0.006);
});

test('a bar that is far ahead of its time moves by a thousandth whenever the time has grown by a twelfth', () => {
  const early = { ...aRun(sampling), shown: { share: 0.8, at: 100_000, nextMs: 1_000 } };
  const { share } = shownAt(executing(early, '2', 0), 109_000);
  expect(share).toBeGreaterThan(0.801);
  expect(share).toBeLessThan(0.81);
});

test('a silent node of a class that nobody knows is expected to take as long again as it has: the bar stays by the middle', () => {
  const nodes: Nodes = { '1': ['AcmeThing', {}], '2': ['SaveImage', { images: ['1', 0] }] };
  const shown = shownAtTimes(executing(aRun(nodes), '1', 0), seconds(40, 400));
  for (const { share } of shown) expect(share).toBeLessThan(0.7);
});

test('a sampler whose first step is late makes the one after it late, too: two steps may be all that either makes', () => {
  const two: Nodes = {
    '1': ['KSampler', { model: ['4', 0], steps: 2 }],
    '2': ['KSampler', { model: ['4', 0], latent_image: ['1', 0], steps: 2 }],
    '3': ['SaveImage', { images: ['2', 0] }],
    '4': ['UNETLoader', {}],
  };
  const left = (at: number): number => shownAt(executing(withCached(aRun(two), ['4']), '1', 0), at).leftMs;
  // The first is expected to take some 80 s more; the second took 11 s by its name.
  expect(left(60_000)).toBeGreaterThan(100_000);
});

test('[R2] whatever happens, it never falls and never ends', () => {
  const event = fc.record({
    node: fc.constantFrom('1', '2', '3', '9'),
    value: fc.double(),
    max: fc.double(),
    after: fc.nat(100_000),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let [run, at, before] = [aRun(sampling), 0, 0];
      for (const { node, value, max, after } of events) {
        at += after;
        const shown = shownAt(stepped(executing(run, node, at), node, value, max, at), at);
        const isRight = shown.share >= before && shown.share < 1 && Number.isFinite(shown.leftMs);
        if (!isRight) expect([before, shown]).toBe('a share that goes on below 1, and a time that is left');
        [run, before] = [shown.run, shown.share];
      }
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['back', -3_600_000],
  ['a minute back', -60_000],
  ['forward', 3_600_000],
])('a clock that is set %s in the midst of a run moves neither the bar nor the end', (_, by) => {
  const from = 1e12;
  const begun = executing(aRun(sampling, { at: from }), '2', from);
  const run = [1, 2, 3, 4, 5].reduce((run, n) => stepped(run, '2', n, 10, from + n * 20_000), begun);
  const before = shownAt(run, from + 100_000);
  const after = shownAt(before.run, from + 101_000 + by);
  expect(after.share - before.share).toBeLessThan(0.02);
  expect(after.leftMs / before.leftMs).toBeCloseTo(1, 1);
  const next = shownAt(stepped(after.run, '2', 6, 10, from + 120_000 + by), from + 120_000 + by);
  expect(next.share).toBeCloseTo(0.6, 1);
});

test('a bar that is ahead of a node that nobody knows moves by a thousandth at least each tenth of the time', () => {
  const nodes: Nodes = { '1': ['Retile Enhance', {}], '2': ['SaveImage', { images: ['1', 0] }] };
  let run = executing(aRun(nodes), '1', 0);
  let [last, since] = [0, 0];
  const stood: number[] = [];
  for (let at = 100; at <= 160_000; at += 100) {
    // Eight rounds of twenty steps, all of it told as if each were the last.
    run = stepped(run, '1', 1 + (Math.floor(at / 1_000) % 20), 20, at);
    const shown = shownAt(run, at);
    run = shown.run;
    const told = Math.floor(shown.share * 1_000);
    if (told === last) continue;
    stood.push((at - since) / at);
    [last, since] = [told, at];
  }
  expect(last).toBeLessThan(1_000);
  expect(Math.max(...stood.slice(20))).toBeLessThan(0.1);
});
