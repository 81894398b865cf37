import { isSureOf } from '../../../../../streams/job/progress/node/node-left';
import { shownAt } from '../../../../../streams/job/progress/bar';
import { executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, finished, running, type Nodes } from '../a-run';

const loop: Nodes = { '3': ['KSampler', { steps: 10 }], '5': ['LoopEnd', { value: ['3', 0] }] };

/** A loop that takes a minute, around a sampler that takes ten seconds. */
const durations = ({ id }: { readonly id: string }) =>
  id === '3'
    ? { fixedMs: 0, stepMs: 1_000, steps: 10, rounds: 1, alone: 1, trust: 1 }
    : { fixedMs: 60_000, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: 1 };
const sampled = snapshot(aRun(loop, { durations, at: -10_000 }), [running('3')], -10_000);
const begun = snapshot(sampled, [finished('3', 10, 10), running('5')], 0);
const copy = { ...running('5.0.0.3'), parentId: '5', displayId: '3' };
const again = { ...running('5.0.0.R'), parentId: '5', displayId: '5' };

test('a copy that a loop makes is expected to take what the node behind it does', () => {
  const run = snapshot(begun, [running('5'), copy], 1_000);
  expect(run.nodes.get('5.0.0.3')?.expected).toMatchObject({ stepMs: 1_000, steps: 10 });
});

test('one that stands for the loop takes no time beside it', () => {
  const run = snapshot(begun, [running('5'), again], 50_000);
  expect(timeLeft(run, 50_000).ms).toBeLessThan(20_000);
});

test('once a loop is over its copies are', () => {
  const run = snapshot(begun, [running('5'), copy, again], 50_000);
  expect(timeLeft(snapshot(run, [finished('5'), copy, again], 55_000), 55_000).ms).toBe(0);
});

test('a loop that goes on past its time is expected to for half as long again, and no end is told', () => {
  const run = snapshot(begun, [running('5'), copy], 1_000);
  const left = timeLeft(snapshot(run, [running('5'), { ...copy, finished: true }], 11_000), 64_000);
  expect(left.ms / 32_000).toBeCloseTo(1, 1);
  expect(isSureOf(left)).toBe(false);
});

test('a node whose copies run after others, on a server without snapshots, is at work until they are done', () => {
  const nodes: Nodes = {
    '1': ['Expands'],
    '2': ['Other'],
    '3': ['PreviewImage', { images: ['2', 0] }],
    '4': ['PreviewImage', { images: ['1', 0] }],
  };
  const began = [
    ['1', 0],
    ['2', 10],
    ['3', 2_000],
  ] as const;
  let run = began.reduce((before, [id, at]) => executing(before, id, at), aRun(nodes));
  run = stepped(executing(run, '1.0.0.1', 2_100, '1'), '1', 1, 5, 3_100);
  run = stepped(run, '1', 2, 5, 4_100);
  expect(timeLeft(run, 4_100).ms / 3_000).toBeCloseTo(1, 0);
  expect(shownAt(run, 4_100).share).toBeLessThan(0.7);
});
