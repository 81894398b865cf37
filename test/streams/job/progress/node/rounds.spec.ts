import { learned } from '../../../../../streams/job/progress/learned/learned';
import { isSureOf } from '../../../../../streams/job/progress/node/node-left';
import { newNodeRun } from '../../../../../streams/job/progress/node/node-run';
import { isOpen, roundsToCome } from '../../../../../streams/job/progress/node/rounds';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, graph, type Nodes } from '../a-run';

const SERVER = 'http://one:8188';
const faces: Nodes = { '1': ['FaceDetailer', { steps: 10 }], '2': ['SaveImage', { images: ['1', 0] }] };
const plan = planOf(graph(faces));

/** A node that counts to ten so often, ten steps a second. */
function rounds(run: RunClock, count: number): RunClock {
  let at = executing(run, '1', 0);
  for (let n = 0; n < 10 * count; n++) at = stepped(at, '1', (n % 10) + 1, 10, (n + 1) * 100);
  return at;
}

/** What is left after so many rounds, in earlier runs of which it counted so often. */
function leftAfter(count: number, before: readonly number[]) {
  const known = learned();
  for (const times of before) {
    const end = 1_000 * times + 50;
    known.learn(SERVER, executing(rounds(runClock(plan, { at: 0 }), times), '2', end), end + 30);
  }
  const run = rounds(runClock(plan, { at: 0, durations: known.durationsOn(SERVER) }), count);
  return timeLeft(run, 1_000 * count);
}

test('where earlier runs counted now two rounds, now six, more are kept in reserve at the middle of those, and no end is told', () => {
  const left = leftAfter(3, [2, 6, 3, 2, 5]);
  expect(left.ms).toBeGreaterThan(1_000);
  expect(isSureOf(left)).toBe(false);
  expect(isSureOf(leftAfter(1, [2, 6, 3, 2, 5]))).toBe(false);
});

test('where all earlier runs counted four rounds, four are expected', () => {
  expect(leftAfter(2, [4, 4, 4]).ms / 2_000).toBeCloseTo(1.1, 0);
  expect(leftAfter(4, [4, 4, 4]).ms).toBeLessThan(400);
});

test('rounds to come take as long as those so far, with the time between them, and without what was loaded before the first', () => {
  // Four rounds of 0.9 s between their steps, half a second apart, after 20 s.
  const at = (n: number): number => 20_000 + Math.floor(n / 10) * 1_500 + (n % 10) * 100;
  const told = (run: RunClock, steps: number): RunClock =>
    Array.from({ length: steps }, (_, n) => n).reduce(
      (before, n) => stepped(before, '1', (n % 10) + 1, 10, at(n)),
      executing(run, '1', 0),
    );
  const known = learned();
  for (let n = 0; n < 2; n++) known.learn(SERVER, told(runClock(plan, { at: 0 }), 40), at(39));
  const run = told(runClock(plan, { at: 0, durations: known.durationsOn(SERVER) }), 11);
  expect(timeLeft(run, at(10)).ms / (at(39) - at(10))).toBeCloseTo(1, 0);
});

test('at the end of a round nobody knows whether it was the last: no end is told', () => {
  expect(isSureOf(leftAfter(2, [4, 4, 4]))).toBe(false);
  expect(isSureOf(leftAfter(1.5, [4, 4, 4]))).toBe(true);
});

test('rounds that are only guessed may be half as many again before the last of them is over', () => {
  const tiles: Nodes = { '1': ['UltimateSDUpscale', { steps: 10 }], '2': ['SaveImage', { images: ['1', 0] }] };
  const left = timeLeft(rounds(aRun(tiles), 16), 16_000);
  expect(left.ms).toBeGreaterThan(7_000);
  expect(isSureOf(timeLeft(rounds(aRun(tiles), 3), 3_000))).toBe(false);
});

/** A node that was through so many rounds, and counts on the next: to ten. */
const inRound = (rounds: number, value = 5) => ({ ...newNodeRun(known(1), 0, 0), rounds, value, max: 10 });
const known = (rounds: number, trust = 1, roundsSpread = 0) => ({
  fixedMs: 0,
  stepMs: 100,
  steps: 10,
  alone: 1,
  rounds,
  trust,
  roundsSpread,
});

test.each([
  ['half as many as were seen where nothing was known of any', 4, known(1, 0), 2],
  ['what is left of those that were measured', 1, known(4), 2],
  ['a reserve of half of them where they vary much, though it is in the last', 3, known(4, 1, 0.9), 2],
  ['half as many as were seen past all that were measured', 7, known(4), 3.5],
  ['what is left of those that were guessed, until the last eighth', 13, known(16, 0.3), 2],
  ['half as many as were seen in the last eighth of a guess', 14, known(16, 0.3), 7],
])('rounds to come are %s', (_, rounds, expected, toCome) => {
  expect(roundsToCome(inRound(rounds), expected)).toBe(toCome);
});

test('the last of the rounds that were measured has its end told, and one more has none', () => {
  expect(isOpen(inRound(3), known(4))).toBe(false);
  expect(isOpen(inRound(3, 10), known(4))).toBe(false);
  expect(isOpen(inRound(4), known(4))).toBe(true);
});

const upscaling = (inputs: Nodes[string][1], image: Nodes[string]): Nodes => ({
  '1': image,
  '2': ['UltimateSDUpscale', { image: ['1', 0], upscale_by: 2, tile_width: 512, tile_height: 512, ...inputs }],
  '3': ['SaveImage', { images: ['2', 0] }],
});
test.each([
  ['of a picture that is scaled to a size', {}, ['ImageScale', { width: 768, height: 1024 }], 12],
  ['of a text that is a number', { tile_width: '1024' }, ['ImageScale', { width: 768, height: 1024 }], 8],
  ['of a picture of unknown size', {}, ['LoadImage', { image: 'a.png' }], undefined],
  ['beyond all measure', { upscale_by: 1e6 }, ['ImageScale', { width: 768, height: 1024 }], undefined],
] as const)('tiles %s are counted where they can be', (_, inputs, image, count) => {
  expect(planOf(graph(upscaling(inputs, image))).nodes.get('2')?.tiles).toBe(count);
});

test('as many tiles as were counted are expected', () => {
  const left = (width: number) => timeLeft(aRun(upscaling({}, ['ImageScale', { width, height: 512 }])), 0).ms;
  expect(left(4_096) / left(512)).toBeGreaterThan(5);
});
