import { learned } from '../../../../../streams/job/progress/learned/learned';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executed, executing, snapshot, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, finished, graph, running, type Nodes } from '../a-run';

const SERVER = 'http://comfy';

/** Two samplers, of which the switch wants one. */
const switching: Nodes = {
  load: ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  small: ['KSampler', { model: ['load', 0], steps: 10, seed: 1 }],
  large: ['KSampler', { model: ['load', 0], steps: 90, seed: 1 }],
  decodeSmall: ['VAEDecode', { samples: ['small', 0] }],
  decodeLarge: ['VAEDecode', { samples: ['large', 0] }],
  switch: ['SwitchNode', { switch: true, on_true: ['decodeSmall', 0], on_false: ['decodeLarge', 0] }],
  save: ['SaveImage', { images: ['switch', 0] }],
};
const pendingOf = ({ pending }: RunClock): readonly string[] => [...pending.entries()].map(([id]) => id).sort();

/** The run up to the small sampler's first steps: the switch began first, and asked for it. */
const asked = (start = aRun(switching)): RunClock => {
  let run = executing(start, 'switch', 10);
  run = executing(run, 'load', 20);
  run = executing(run, 'small', 5_000);
  for (let n = 1; n <= 5; n++) run = stepped(run, 'small', n, 10, 5_000 + n * 1_000);
  return run;
};

/** The same to its end. */
const whole = (start?: RunClock): RunClock => {
  let run = asked(start);
  for (let n = 6; n <= 10; n++) run = stepped(run, 'small', n, 10, 5_000 + n * 1_000);
  run = executing(run, 'decodeSmall', 15_000);
  run = executing(run, 'switch', 16_000);
  return executing(run, 'save', 16_100);
};

test('the branch that a lazy node did not ask for is not expected, once another has begun', () => {
  expect(pendingOf(executing(executing(aRun(switching), 'switch', 10), 'load', 20))).toContain('large');
  const run = asked();
  expect(pendingOf(run)).toEqual(['decodeSmall', 'save']);
  expect(timeLeft(run, 10_000).ms).toBeLessThan(10_000);
});

test('a branch that begins after all is expected to its end', () => {
  const run = executing(executing(asked(), 'decodeSmall', 15_000), 'large', 16_000);
  expect(pendingOf(run)).toEqual(['decodeLarge', 'save']);
});

test('a lazy node takes no time while it waits, and its own once it has what it asked for', () => {
  const known = learned();
  known.learn(SERVER, whole(), 16_400);
  const { fixedMs } = known.durationsOn(SERVER)(planOf(graph(switching)).nodes.get('switch')!, true);
  expect(fixedMs).toBeCloseTo(100);
});

test('a server with snapshots tells of the waiting node all the while', () => {
  let run = snapshot(executing(aRun(switching), 'switch', 10), [running('switch')], 10);
  run = snapshot(run, [running('switch'), running('load')], 20);
  run = snapshot(run, [running('switch'), finished('load'), running('small')], 5_000);
  expect(pendingOf(run)).toEqual(['decodeSmall', 'save']);
  const done = [running('switch'), finished('load'), finished('small'), finished('decodeSmall')];
  run = snapshot(run, done, 16_000);
  expect(run.nodes.get('switch')).toMatchObject({ startedAt: 16_000 });
  expect(run.nodes.get('switch')?.waits).toBeUndefined();
});

test('a lazy node that begins as an input of it is done keeps the steps that the same frame told of', () => {
  const seen = [running('switch', 1, 3), finished('load'), finished('decodeSmall')];
  const run = snapshot(executing(aRun(switching), 'switch', 10), seen, 20);
  expect(run.nodes.get('switch')).toMatchObject({ value: 1, max: 3, startedAt: 20 });
  expect(run.nodes.get('switch')?.waits).toBeUndefined();
  expect(snapshot(run, seen, 20)).toBe(run);
});

test('a node that begins before its inputs is at work all the same: frames may have been missed', () => {
  const run = executing(aRun(switching), 'small', 10);
  expect(run.nodes.get('small')?.waits).toBeUndefined();
  expect(timeLeft(run, 20).ms).toBeGreaterThan(timeLeft(executing(run, 'decodeSmall', 20), 20).ms);
});

describe('what a lazy node did without', () => {
  const plan = planOf(graph(switching));
  const after = (known = learned(), nodes = graph(switching)): RunClock =>
    runClock(planOf(nodes), { at: 0, durations: known.durationsOn(SERVER) });

  test('is not expected from the start of the next run, of whatever instance', () => {
    const [known, other] = [learned(), learned()];
    other.take(known.learn(SERVER, whole(), 16_400));
    for (const each of [known, other]) expect(pendingOf(after(each))).not.toContain('large');
    // Declared otherwise, it may want the other.
    const otherwise = graph({ ...switching, switch: ['SwitchNode', { ...switching['switch']![1], switch: false }] });
    expect(pendingOf(after(known, otherwise))).toContain('large');
  });

  test('is expected again after a run that had it', () => {
    const known = learned();
    const first = new Map(known.learn(SERVER, whole(), 16_400));
    const [key = ''] = [...first.keys()].filter((each) => each.startsWith('w'));
    let run = executing(asked(after(known)), 'decodeSmall', 15_000);
    run = executing(executing(run, 'large', 16_000), 'decodeLarge', 17_000);
    run = executed(executing(executing(run, 'switch', 18_000), 'save', 18_100), 'save', 18_200);
    expect(new Map(known.learn(SERVER, run, 18_300)).get(key)).toBeUndefined();
    expect(pendingOf(after(known))).toContain('large');
  });

  test('is not taken for that where a frame was missed', () => {
    const known = learned();
    const run = executing(executing(executing(aRun(switching), 'small', 10), 'decodeSmall', 20), 'save', 30);
    known.learn(SERVER, run, 40);
    expect(pendingOf(after(known))).toContain('load');
  });

  test.each([['{}'], ['["SwitchNode"]'], ['["SwitchNode", 7]'], [JSON.stringify(['a', 'b'.repeat(500)])]])(
    '[R9] is ignored where it is stored as %s',
    (text) => {
      const known = learned();
      expect(known.take([[`w${SERVER}:x`, text]])).toEqual([]);
      expect(known.durationsOn(SERVER)(plan.nodes.get('switch')!, true)).not.toHaveProperty('without');
    },
  );

  test('[R16] is kept of 500 nodes, and of one node no more than 32 inputs', () => {
    const known = learned();
    const entries = Array.from({ length: 501 }, (_, n) => [`w${n}`, '["SwitchNode", "1"]'] as const);
    expect(known.take(entries)).toStrictEqual([['w0', undefined]]);
  });
});
