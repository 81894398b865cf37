import { shownAt } from '../../../../../streams/job/progress/bar';
import { learned } from '../../../../../streams/job/progress/learned/learned';
import { withRun, type Measured } from '../../../../../streams/job/progress/learned/measured';
import { measuredFrom, measuredToText } from '../../../../../streams/job/progress/learned/measured-text';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock } from '../../../../../streams/job/progress/run-clock';
import { executing } from '../../../../../streams/job/progress/run-events';
import { graph, type Nodes } from '../a-run';

const SERVER = 'http://one:8188';
const upscaling: Nodes = { '1': ['RemoteUpscaler'], '2': ['SaveImage', { images: ['1', 0] }] };
const plan = planOf(graph(upscaling));

/** A run whose first node takes so long. */
const took = (ms: number) => executing(executing(runClock(plan, { at: 0 }), '1', 0), '2', ms);

function after(...times: readonly number[]) {
  const known = learned();
  for (const ms of times) known.learn(SERVER, took(ms), ms + 20);
  return known.durationsOn(SERVER)(plan.nodes.get('1')!, false);
}

test.each([
  ['a node that once had nothing to do', [60_000, 61_000, 59_000, 60_000, 100]],
  ['a node that stood still once', [60_000, 61_000, 59_000, 60_000, 600_000]],
  ['one of three', [60_000, 100, 60_000]],
])('%s takes as long as ever the next time', (_, times) => {
  expect(after(...times).fixedMs / 60_000).toBeCloseTo(1, 1);
});

test.each([
  ['quicker', 10_000],
  ['slower', 400_000],
])('a node that is %s for good is known to be after three runs', (_, ms) => {
  expect(after(60_000, 60_000, 60_000, 60_000, 60_000, 60_000, ms, ms, ms).fixedMs / ms).toBeCloseTo(1, 1);
});

test('where runs differ, what they tell is less sure', () => {
  const [sure, unsure] = [after(60_000, 58_000, 61_000, 60_000), after(60_000, 10_000, 59_000, 9_000)];
  expect(sure.trust).toBe(1);
  expect(unsure.trust).toBeLessThan(0.8);
});

test('a run in which the clock was set back teaches nothing', () => {
  const known = learned();
  for (let n = 0; n < 3; n++) known.learn(SERVER, took(60_000), 60_020);
  const begun = shownAt(executing(runClock(plan, { at: 1e9 }), '1', 1e9), 1e9 + 30_000).run;
  const back = shownAt(executing(begun, '2', 1e9 - 3_540_000), 1e9 - 3_540_000).run;
  expect(known.learn(SERVER, back, 1e9 - 3_539_000)).toEqual([]);
  expect(known.learn(SERVER, begun, 1e9 - 3_539_000)).toEqual([]);
});

test('what was kept of means is read as runs that took that long', () => {
  const known = learned();
  const [key] = learned().learn(SERVER, took(100), 120)[0]!;
  known.take([[key, '[5,3000,0,1,1,1]']]);
  const expected = known.durationsOn(SERVER)(plan.nodes.get('1')!, false);
  expect(expected.fixedMs / 3_000).toBeCloseTo(1, 3);
  expect(expected.trust).toBe(1);
});

const counting = { beforeMs: 123_456, stepMs: 1_234.5, steps: 150, rounds: 12, afterMs: 12_345, alone: 0.333 };
const five = [1, 2, 3, 4, 5].reduce<Measured | undefined>((all) => withRun(all, counting), undefined)!;

test('what was kept is what is read, to three digits', () => {
  const read = measuredFrom(JSON.parse(measuredToText(five)));
  expect(read?.runs).toHaveLength(5);
  expect(read?.runs[4]).toMatchObject({ beforeMs: 123_000, stepMs: 1_230, steps: 150, rounds: 12, afterMs: 12_300 });
});

test.each([
  '[1,[]]',
  '[1,[1,2,3,4,5,6]]',
  '[1,[1],[1],[1],[1]]',
  '[1,[1],[1],[1],[1],[]]',
  '[1,[1],1,1,1,"a"]',
  '[1,["a"]]',
  '[[1],[1]]',
])('[R15] %s is no such thing', (text) => expect(measuredFrom(JSON.parse(text))).toBeUndefined());
