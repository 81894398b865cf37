import { learned } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, withCached, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { graph, type Nodes } from '../a-run';

const SERVER = 'http://one:8188';
const picture: Nodes = {
  '1': ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  '2': ['CLIPTextEncode', { clip: ['1', 1], text: 'a cat' }],
  '3': ['KSampler', { model: ['1', 0], positive: ['2', 0], steps: 10, seed: 1 }],
  '4': ['SaveImage', { images: ['3', 0] }],
};
const plan = planOf(graph(picture));

/** Samples ten steps of half a second from `from` on, and saves. */
function sampled(run: RunClock, from: number): RunClock {
  let next = executing(run, '3', from);
  for (let n = 1; n <= 10; n++) next = stepped(next, '3', n, 10, from + n * 500);
  return executing(next, '4', from + 5_000);
}

/** Knows a run that loads for 2 s, encodes for 5 s, which is loading, too, and samples for 5 s. */
function knowing() {
  const known = learned();
  const loaded = executing(executing(runClock(plan, { at: 0 }), '1', 0), '2', 2_000);
  known.learn(SERVER, sampled(loaded, 7_000), 12_100);
  return known;
}

test('a text that is encoded anew when its model is loaded is expected to take a fifth of what it took with loading', () => {
  const warm = withCached(runClock(plan, { at: 0, durations: knowing().durationsOn(SERVER) }), ['1']);
  const left = timeLeft(warm, 0).ms;
  expect(left).toBeGreaterThan(5_500);
  expect(left).toBeLessThan(7_000);
});

test('that it took no time to load says little of the rest of the run', () => {
  let run = withCached(runClock(plan, { at: 0, durations: knowing().durationsOn(SERVER) }), ['1']);
  run = executing(executing(run, '2', 0), '3', 300);
  expect(timeLeft(run, 300).ms).toBeGreaterThan(3_500);
});
