import { learned } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { withCached, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { ended, executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, finished, graph, running, type Nodes } from '../a-run';

/** Samples ten steps so often, one time after the other. */
const looping = (total: unknown = 5): Nodes => ({
  model: ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  count: ['PrimitiveInt', { value: 7 }],
  start: ['easy forLoopStart', { total }],
  sample: ['KSampler', { model: ['model', 0], latent_image: ['start', 2], steps: 10 }],
  end: ['easy forLoopEnd', { flow: ['start', 0], initial_value1: ['sample', 0] }],
  save: ['SaveImage', { images: ['end', 0] }],
});

function steppedThrough(run: RunClock, id: string, from: number, stepMs: number): RunClock {
  let at = run;
  for (let n = 1; n <= 10; n++) at = stepped(at, id, n, 10, from + n * stepMs);
  return at;
}

/** The first round: 20 s of loading, then a second; and so many more, each of `roundMs`. The last has just begun. */
function wentRound(start: RunClock, rounds: number, roundMs: number): { readonly run: RunClock; readonly at: number } {
  let run = executing(executing(executing(start, 'model', 0), 'start', 3_000), 'sample', 3_010);
  run = executing(steppedThrough(run, 'sample', 23_000, 100), 'end', 24_000);
  let at = 24_000;
  for (let round = 1; round <= rounds; round++) {
    run = executing(executing(run, `end.${round}.start`, at, 'start'), `end.${round}.sample`, at + 5, 'sample');
    if (round < rounds) run = steppedThrough(run, `end.${round}.sample`, at + 5, (roundMs - 5) / 10);
    if (round < rounds) at += roundMs;
  }
  return { run, at };
}

test('while a loop goes round the first time, its steps tell of all its rounds', () => {
  let run = executing(executing(aRun(looping()), 'model', 0), 'sample', 3_000);
  for (let n = 1; n <= 5; n++) run = stepped(run, 'sample', n, 10, 3_000 + n * 60_000);
  // Five steps of this round, and four rounds of ten.
  expect(timeLeft(run, 303_000).ms / 2_700_000).toBeCloseTo(1, 1);
});

test('what was loaded in its first round is not loaded again', () => {
  const { run, at } = wentRound(aRun(looping()), 1, 0);
  expect(timeLeft(run, at).ms / 4_700).toBeCloseTo(1, 1);
});

test('where its rounds take longer than the first did, the rest is expected to', () => {
  const { run, at } = wentRound(aRun(looping(9)), 5, 3_000);
  // The round that began, and three more, of three seconds.
  expect(timeLeft(run, at).ms / 12_000).toBeCloseTo(1, 1);
});

test('one whose first node is cached has gone round all the same', () => {
  let run = executing(withCached(aRun(looping()), ['model', 'start']), 'sample', 0);
  run = executing(steppedThrough(run, 'sample', 0, 1_000), 'end', 10_000);
  const { ms, sureMs } = timeLeft(run, 10_000);
  expect(ms / 40_000).toBeCloseTo(1, 0);
  expect(sureMs / ms).toBeGreaterThan(0.6);
});

test('its number of rounds is followed to where it stands', () => {
  expect(planOf(graph(looping(['count', 0]))).nodes.get('end')?.loop?.times).toBe(7);
});

test('what a loop took tells of one that goes round twice as often', () => {
  const known = learned();
  const { run, at } = wentRound(aRun(looping(5)), 4, 3_000);
  known.learn('one', executing(steppedThrough(run, 'end.4.sample', at, 300), 'save', at + 3_000), at + 3_010);
  const left = (total: number): number => timeLeft(aRun(looping(total), { durations: known.durationsOn('one') }), 0).ms;
  expect((left(9) - left(5)) / 12_600).toBeCloseTo(1, 1);
});

test('[R16] a loop that makes more copies than it declared counts no further', () => {
  const { run } = wentRound(aRun(looping(4)), 20, 3_000);
  expect(run.nodes.get('end')).toMatchObject({ value: 3, max: 3 });
});

test('a snapshot that tells its end leaves the count of its rounds', () => {
  const { run, at } = wentRound(aRun(looping()), 4, 3_000);
  const over = snapshot(snapshot(run, [running('end')], at), [finished('end')], at + 3_000);
  expect(over.nodes.get('end')).toMatchObject({ value: 3, max: 4 });
  expect(ended(over, at + 3_010).running).toEqual([]);
});
