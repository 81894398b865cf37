import { learned } from '../../../../../streams/job/progress/learned/learned';
import { measuredFrom } from '../../../../../streams/job/progress/learned/measured-text';
import { isSureOf } from '../../../../../streams/job/progress/node/node-left';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, graph, type Nodes } from '../a-run';

const SERVER = 'http://one:8188';
const restoring: Nodes = { '1': ['VideoRestorer', { strength: 1 }], '2': ['SaveImage', { images: ['1', 0] }] };
const plan = planOf(graph(restoring));
/** Encodes 36 tiles in 9 s, samples 10 steps in 100 s, decodes 200 tiles in 20 s. */
const BARS = [
  { steps: 36, stepMs: 250 },
  { steps: 10, stepMs: 10_000 },
  { steps: 200, stepMs: 100 },
];

/** A run whose first node has counted for so long. */
function counted(begun: RunClock, ms: number): RunClock {
  let [run, at] = [executing(begun, '1', 0), 0];
  for (const { steps, stepMs } of BARS)
    for (let n = 1; n <= steps && at + stepMs <= ms; n++) run = stepped(run, '1', n, steps, (at += stepMs));
  return run;
}

function kept() {
  const known = learned();
  const entries = [1, 2, 3].flatMap(() =>
    known.learn(SERVER, executing(counted(runClock(plan, { at: 0 }), 129_000), '2', 129_500), 129_530),
  );
  return { known, entries };
}

test.each([
  ['the first', 4_500],
  ['the second', 59_000],
  ['the third', 119_000],
  ['the third, near its end', 127_000],
])('a node that counts on several bars is expected to go through them as before: in the midst of %s', (_, at) => {
  const { known } = kept();
  const run = counted(runClock(plan, { at: 0, durations: known.durationsOn(SERVER) }), at);
  const left = timeLeft(run, at);
  expect(left.ms / (129_500 - at)).toBeGreaterThan(0.95);
  expect(left.ms / (129_500 - at)).toBeLessThan(1.05);
  expect(isSureOf(left)).toBe(true);
});

test('what another instance kept of bars is known', () => {
  const other = learned();
  other.take(kept().entries);
  const run = counted(runClock(plan, { at: 0, durations: other.durationsOn(SERVER) }), 59_000);
  expect(timeLeft(run, 59_000).ms / 70_500).toBeCloseTo(1, 1);
});

/** Enlarges in 9 steps of 0.1 s, then counts to ten for each of so many tiles, ten steps a second. */
function tiled(begun: RunClock, steps: number): RunClock {
  let [run, at] = [executing(begun, '1', 0), 0];
  for (let n = 1; n <= Math.min(9, steps); n++) run = stepped(run, '1', n, 9, (at += 100));
  for (let n = 0; n < steps - 9; n++) run = stepped(run, '1', (n % 10) + 1, 10, (at += 100));
  return run;
}

test.each([false, true])('rounds of a further bar are expected as before (known from the store: %s)', (isStored) => {
  const known = learned();
  const other = learned();
  for (let n = 0; n < 2; n++)
    other.take(known.learn(SERVER, executing(tiled(runClock(plan, { at: 0 }), 69), '2', 6_900), 6_930));
  const durations = (isStored ? other : known).durationsOn(SERVER);
  // 29 of 69 steps: two of six tiles are done.
  const left = timeLeft(tiled(runClock(plan, { at: 0, durations }), 29), 2_900);
  expect(left.ms / 4_000).toBeCloseTo(1, 1);
});

test('what counts first to another number than its steps makes ready: all its rounds are to come, and none is over', () => {
  const enlarging: Nodes = {
    '1': ['UltimateSDUpscale', { steps: 10, upscale_by: 2, tile_width: 512, tile_height: 512, image: ['3', 0] }],
    '2': ['SaveImage', { images: ['1', 0] }],
    '3': ['EmptyImage', { width: 512, height: 512 }],
  };
  const guessedMs = 10 * 4 * 400;
  const ready = timeLeft(tiled(aRun(enlarging), 5), 500);
  expect(ready.ms).toBeGreaterThan(guessedMs / 2);
  // Four tiles: one and a half of them are over.
  const left = timeLeft(tiled(aRun(enlarging), 9 + 15), 2_400);
  expect(left.ms).toBeGreaterThan(2_400);
  expect(left.ms).toBeLessThan(3_500);
});

test('of a bar that nobody knew of no end is told', () => {
  expect(isSureOf(timeLeft(counted(aRun(restoring), 59_000), 59_000))).toBe(false);
});

test('bars that come again, or are too many, are rounds', () => {
  let run = executing(aRun(restoring), '1', 0);
  for (let n = 0; n < 40; n++) run = stepped(stepped(run, '1', 1, 5, 2_000 * n), '1', 1, 9, 2_000 * n + 1_000);
  expect(run.nodes.get('1')?.later).toEqual([]);
  let other = executing(aRun(restoring), '1', 0);
  for (let n = 0; n < 40; n++) other = stepped(other, '1', 2, 100 - n, 1_000 + n);
  const { later, rounds } = other.nodes.get('1') ?? {};
  expect([later?.length, rounds]).toEqual([5, 33]);
});

test.each(['[1,[1],1,1,1,1,[1]]', '[1,[1],1,1,1,1,[[1]]]', '[1,[1],1,1,1,1,[[1,"a"]]]', '[1,[1],1,1,1,1,[],1]'])(
  '[R15] %s is nothing that was measured',
  (text) => expect(measuredFrom(JSON.parse(text))).toBeUndefined(),
);
