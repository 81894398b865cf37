import { learned } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, withCached, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { finished, graph, running, type Nodes } from '../a-run';

const SERVER = 'http://one:8188';
const counting: Nodes = { '1': ['Thing', { strength: 1 }], '2': ['SaveImage', { images: ['1', 0] }] };
const plan = planOf(graph(counting));

/** A node that counts so far, a step a second, of so many; then nothing is heard of it until its end. */
function counted(run: RunClock, to: number, max: number): RunClock {
  const steps = Array.from({ length: to }, (_, n) => n + 1);
  return steps.reduce((all, n) => snapshot(all, [running('1', n, max)], n * 1_000), run);
}

function knowing(to: number, max: number, endMs: number) {
  const known = learned();
  for (let n = 0; n < 3; n++) {
    const run = counted(runClock(plan, { at: 0 }), to, max);
    known.learn(SERVER, snapshot(run, [finished('1', max, max), running('2')], endMs), endMs + 20);
  }
  return runClock(plan, { at: 0, durations: known.durationsOn(SERVER) });
}

test('what came after the last step before is expected again', () => {
  const run = counted(knowing(10, 10, 70_000), 10, 10);
  expect(timeLeft(run, 10_000).ms / 60_000).toBeCloseTo(1, 1);
  expect(timeLeft(run, 40_000).ms / 30_000).toBeCloseTo(1, 0);
});

test('a node that ended long before what it counted to is expected to again', () => {
  const run = counted(knowing(30, 1_000, 30_500), 15, 1_000);
  expect(timeLeft(run, 15_000).ms / 15_500).toBeCloseTo(1, 0);
});

/** A training that goes on from a state of an earlier one: 500 steps of 3,000, half a second each. */
function resumed(run: RunClock, from: number, steps: number): RunClock {
  let next = snapshot(run, [running('1')], 0);
  for (let n = 1; n <= steps; n++) next = snapshot(next, [running('1', from + n, 3_000)], 2_000 + n * 500);
  return next;
}

test('a node that went on from the middle, and ended early, is expected to make as many steps from elsewhere', () => {
  const known = learned();
  for (let n = 0; n < 3; n++) {
    const run = resumed(runClock(plan, { at: 0 }), 1_000, 500);
    known.learn(SERVER, snapshot(run, [finished('1', 3_000, 3_000), running('2')], 252_100), 252_200);
  }
  const run = resumed(runClock(plan, { at: 0, durations: known.durationsOn(SERVER) }), 1_500, 400);
  expect(timeLeft(run, 202_000).ms / 50_000).toBeCloseTo(1, 1);
});

/** Three rounds of 10 steps, that take a second, half a second, and a tenth of one each. */
function inRounds(run: RunClock, rounds: number): RunClock {
  let [next, at] = [snapshot(run, [running('1')], 0), 0];
  for (const stepMs of [1_000, 500, 100].slice(0, rounds))
    for (let n = 1; n <= 10; n++) next = snapshot(next, [running('1', n, 10)], (at += stepMs));
  return next;
}

test('a step of rounds that each have a pace is learnt as the mean of all', () => {
  const known = learned();
  for (let n = 0; n < 3; n++) {
    const run = inRounds(runClock(plan, { at: 0 }), 3);
    known.learn(SERVER, snapshot(run, [finished('1', 10, 10), running('2')], 16_020), 16_050);
  }
  const { fixedMs, stepMs, rounds } = known.durationsOn(SERVER)(plan.nodes.get('1')!, true);
  expect(rounds).toBe(3);
  expect(stepMs / (15_100 / 30)).toBeCloseTo(1, 1);
  expect(fixedMs).toBeLessThan(1_000);
});

test('where what a node counts to grows with it, as much is expected to come as has', () => {
  const steps = Array.from({ length: 40 }, (_, n) => n + 1);
  const run = steps.reduce((all, n) => stepped(all, '1', n, n + 1, n * 1_000), runClock(plan, { at: 0 }));
  expect(run.nodes.get('1')?.rounds).toBe(0);
  expect(timeLeft(run, 40_000).ms).toBeGreaterThan(30_000);
});

const sampling: Nodes = {
  '1': ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  '2': ['KSampler', { model: ['1', 0], steps: 10 }],
  '3': ['SaveImage', { images: ['2', 0] }],
};

test('the first run whose models are loaded takes as long for its steps as the one that loaded them', () => {
  const known = learned();
  let run = executing(runClock(planOf(graph(sampling)), { at: 0 }), '1', 0);
  run = executing(run, '2', 15_000);
  for (let n = 1; n <= 10; n++) run = stepped(run, '2', n, 10, 21_000 + n * 250);
  known.learn(SERVER, executing(run, '3', 23_500), 23_600);
  const warm = withCached(runClock(planOf(graph(sampling)), { at: 0, durations: known.durationsOn(SERVER) }), ['1']);
  const left = timeLeft(warm, 0).ms;
  expect(left).toBeGreaterThan(2_500);
  expect(left).toBeLessThan(3_500);
});
