import { learned, type LearnedEntry } from '../../../../../streams/job/progress/learned/learned';
import type { Taken } from '../../../../../streams/job/progress/learned/measured';
import { nothingTold, withNode } from '../../../../../streams/job/progress/learned/server-speed';
import { totalMs, type Expected } from '../../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, withCached } from '../../../../../streams/job/progress/run-clock';
import { ended, executing, stepped } from '../../../../../streams/job/progress/run-events';
import { graph, sampling, type Nodes } from '../a-run';

const ONE = 'http://one:8188';
const OTHER = 'http://other:8188';

const encoding: Nodes = {
  '1': ['CLIPTextEncode', {}],
  '2': ['FaceDetailer', { positive: ['1', 0], steps: 10 }],
  '3': ['DownloadModel', {}],
  '4': ['AcmeThing', { image: ['2', 0] }],
};

/** What runs of `sampling` teach, warm, that take a tenth of what is guessed. */
function quickRuns(count: number) {
  const known = learned();
  const entries: LearnedEntry[] = [];
  for (let n = 0; n < count; n++) {
    let run = executing(withCached(runClock(planOf(graph(sampling)), { at: 0 }), ['1']), '2', 0);
    for (let step = 1; step <= 10; step++) run = stepped(run, '2', step, 10, 127 * step);
    run = executing(executing(run, '3', 1_270), '4', 1_430);
    entries.push(...known.learn(ONE, ended(run, 1_470), 1_470));
  }
  return { known, entries };
}

const expectedOn = (known: ReturnType<typeof learned>, server: string, nodes: Nodes, id: string, isCold = false) =>
  known.durationsOn(server)(planOf(graph(nodes)).nodes.get(id)!, isCold);

/** How many times longer than guessed. */
const ratio = (known: ReturnType<typeof learned>, id: string, of: (expected: Expected) => number, server = ONE) =>
  of(expectedOn(known, server, encoding, id)) / of(expectedOn(learned(), server, encoding, id));

test('a class that a server never ran is guessed to be as quick there as what it ran', () => {
  const { known } = quickRuns(4);
  expect(ratio(known, '1', totalMs)).toBeLessThan(0.4);
  expect(ratio(known, '2', ({ stepMs }) => stepMs)).toBeLessThan(0.4);
  expect(ratio(known, '1', totalMs, OTHER)).toBe(1);
});

test('one run says less than several', () => {
  expect(ratio(quickRuns(1).known, '1', totalMs)).toBeGreaterThan(ratio(quickRuns(4).known, '1', totalMs) + 0.1);
});

test('with a model that it was not seen with, a class is expected to be the quicker the quicker the server is', () => {
  const { entries } = quickRuns(4);
  const other: Nodes = { ...sampling, '1': ['CheckpointLoaderSimple', { ckpt_name: 'other.safetensors' }] };
  const stepMs = (taken: readonly LearnedEntry[]): number => {
    const known = learned();
    known.take(taken);
    return expectedOn(known, ONE, other, '2').stepMs;
  };
  expect(stepMs(entries) / stepMs(entries.filter(([key]) => !key.startsWith('s')))).toBeLessThan(0.7);
});

test('of downloads, and of classes that nobody knows, a server’s speed says nothing', () => {
  const { known } = quickRuns(4);
  expect(ratio(known, '3', totalMs)).toBe(1);
  expect(ratio(known, '4', totalMs)).toBe(1);
});

test('another instance reads it from the store; what cannot be read counts as none', () => {
  const { entries } = quickRuns(4);
  const speeds = entries.filter(([key]) => key.startsWith('s'));
  const known = learned();
  known.take(speeds);
  expect(ratio(known, '1', totalMs)).toBeLessThan(0.4);
  const key = speeds[0]![0];
  for (const text of [
    '',
    '[1]',
    '[1,2,3,"4"]',
    '[99,1,0,0]',
    '[0,-1,0,0]',
    '[0,1e999,0,0]',
    '[-1,9,99,1]',
    '[-1,9,0,101]',
  ]) {
    const other = learned();
    other.take([[key, text]]);
    expect(ratio(other, '1', totalMs)).toBe(1);
  }
});

test('of a hundred nodes it is read, too: no more are counted', () => {
  const { entries } = quickRuns(4);
  const key = entries.find(([each]) => each.startsWith('s'))![0];
  const known = learned();
  known.take([[key, '[-2,100,-2,100]']]);
  expect(ratio(known, '1', totalMs)).toBeCloseTo(Math.exp(-200 / 102));
});

describe('a node says nothing of a server’s speed', () => {
  const toldBy = (type: string, inputs: Readonly<Record<string, unknown>>, taken: Partial<Taken>) => {
    const node = planOf(graph({ '1': [type, inputs] })).nodes.get('1')!;
    return withNode(nothingTold, node, { ...nothingTaken, ...taken });
  };
  const nothingTaken: Taken = { beforeMs: 0, stepMs: 0, steps: 1, rounds: 1, afterMs: 0, alone: 1 };

  test.each<[string, string, Readonly<Record<string, unknown>>, Partial<Taken>]>([
    ['that was guessed to be quick', 'SaveImage', {}, { beforeMs: 5_000 }],
    ['that was quick', 'CLIPTextEncode', {}, { beforeMs: 19 }],
    ['that was guessed to count, and did not', 'KSampler', { steps: 10 }, { beforeMs: 5_000 }],
    ['that counted, and was not guessed to', 'CLIPTextEncode', {}, { stepMs: 100 }],
  ])('%s', (_, type, inputs, taken) => expect(toldBy(type, inputs, taken)).toEqual(nothingTold));

  test('else all that it took does, but its loading where it counts', () => {
    const said = { beforeMs: 300, afterMs: 100 };
    expect(toldBy('CLIPTextEncode', {}, said).silent).toEqual({ log: Math.log(400 / 800), count: 1 });
    expect(toldBy('KSampler', { steps: 20 }, { ...said, stepMs: 1_200 }).step.log).toBeCloseTo(Math.log(2));
  });

  test('of a node that counts on several bars it is the steps of the longest that tell of it', () => {
    const later = [{ steps: 20, rounds: 4, ms: 96_000 }];
    const taken = { stepMs: 50, steps: 9, later };
    expect(toldBy('KSampler', { steps: 20 }, taken).step.log).toBeCloseTo(Math.log(2));
  });
});

test('where models are to be loaded, what was measured without takes longer if it uses one, and else as long', () => {
  const { known } = quickRuns(2);
  const took = (id: string, isCold: boolean): number => totalMs(expectedOn(known, ONE, sampling, id, isCold));
  expect(took('2', true)).toBeGreaterThan(took('2', false) + 100);
  expect(took('3', true)).toBeGreaterThan(took('3', false));
  expect(took('4', true)).toBeCloseTo(took('4', false), 0);
});
