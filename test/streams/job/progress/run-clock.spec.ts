import { bounds } from '../../../../streams/bounds';
import { isSureOf } from '../../../../streams/job/progress/node/node-left';
import { timeLeft } from '../../../../streams/job/progress/time-left';
import {
  runClock,
  isCounting,
  withCached,
  withPlan,
  withTargets,
  type RunClock,
} from '../../../../streams/job/progress/run-clock';
import { executed, executing, snapshot, stepped } from '../../../../streams/job/progress/run-events';
import { planOf } from '../../../../streams/job/progress/plan/plan';
import { emptyGraph } from '../../../../streams/job/workflow';
import { aRun, finished, graph, running, sampling, type Nodes } from './a-run';

const pendingOf = ({ pending }: RunClock): readonly string[] => [...pending.entries()].map(([id]) => id).sort();
const doneOf = ({ nodes }: RunClock): readonly string[] =>
  [...nodes.entries()].flatMap(([id, { doneAt }]) => (doneAt === undefined ? [] : [id])).sort();

const twoSamplers: Nodes = {
  '1': ['CheckpointLoaderSimple'],
  '2': ['KSampler', { model: ['1', 0], steps: 10 }],
  '4': ['KSampler', { model: ['1', 0], steps: 30 }],
  '5': ['SaveImage', { images: ['2', 0] }],
  '6': ['SaveImage', { images: ['4', 0] }],
};

describe('what is still to come', () => {
  test('is all that leads to an output, and nothing that leads to none', () => {
    const nodes: Nodes = { ...sampling, '8': ['CLIPTextEncode', { clip: ['1', 0] }] };
    expect(pendingOf(aRun(nodes))).toEqual(['1', '2', '3', '4']);
    expect(pendingOf(aRun({ '1': ['A'], '2': ['B', { i: ['1', 0] }] }))).toEqual(['1', '2']);
  });

  test('leaves out what is cached, and what only that needs', () => {
    expect(pendingOf(withCached(aRun(sampling), ['2']))).toEqual(['3', '4']);
    expect(pendingOf(withCached(aRun(sampling), ['1', '2', '3', '4']))).toEqual([]);
  });

  test('[R16] holds no more cached nodes than there are, or may be', () => {
    const many = Array.from({ length: 100_000 }, (_, n) => `${n}`);
    expect([...withCached(aRun(sampling), many).cached]).toEqual(['1', '2', '3', '4']);
    expect(withCached(aRun({}), many).cached.size).toBe(bounds.nodes);
  });

  test('[R16] notes so many nodes that the run made, and all of the workflow', () => {
    const made = Array.from({ length: 2 * bounds.madeNodes }, (_, n) => running(`2.0.0.${n}`));
    const run = snapshot(snapshot(aRun(sampling), made, 1_000), [...made, running('4')], 2_000);
    expect(run.nodes.size()).toBeLessThanOrEqual(bounds.madeNodes + 5);
    expect(run.nodes.get('4')).toBeDefined();
    const long = Array.from({ length: bounds.madeNodes }, (_, n) => running(`${'2.0.'.repeat(450)}${n}`));
    const ids = [...snapshot(aRun(sampling), long, 1_000).nodes.entries()].map(([id]) => id);
    expect(ids.join('').length).toBeLessThan(2 * bounds.madeIdsLength);
  });

  test('is what the queue names as outputs', () => {
    expect(pendingOf(withTargets(aRun(twoSamplers), ['5']))).toEqual(['1', '2', '5']);
    expect(pendingOf(withTargets(aRun(sampling), ['2']))).toEqual(['1', '2']);
  });

  test('drops a lazy branch once the node above it is done without it', () => {
    const lazy: Nodes = {
      '1': ['KSampler', { steps: 5 }],
      '2': ['KSampler', { steps: 50 }],
      '3': ['Switch', { a: ['1', 0], b: ['2', 0] }],
      '4': ['SaveImage', { images: ['3', 0] }],
    };
    const waiting = snapshot(aRun(lazy), [finished('1', 5, 5), running('3')], 1);
    expect(pendingOf(waiting)).toEqual(['2', '4']);
    expect(pendingOf(snapshot(waiting, [finished('3')], 2))).toEqual(['4']);
  });

  test('is known as soon as the workflow is', () => {
    const run = executing(runClock(planOf(emptyGraph), { at: 0 }), '1', 5);
    expect(pendingOf(withPlan(run, planOf(graph(sampling))))).toEqual(['2', '3', '4']);
  });

  test('takes less time with fewer steps to come, and none once all is done', () => {
    const left = (run: RunClock) => timeLeft(run, 1).ms;
    expect(left(withTargets(aRun(twoSamplers), ['5']))).toBeLessThan(left(withTargets(aRun(twoSamplers), ['6'])));
    expect(
      left(snapshot(aRun(sampling), [finished('1'), finished('2', 10, 10), finished('3'), finished('4')], 1)),
    ).toBe(0);
  });

  test('ends in a workflow that goes round in circles', () => {
    const circle: Nodes = { '1': ['A', { i: ['2', 0] }], '2': ['B', { i: ['1', 0] }] };
    expect(pendingOf(withTargets(aRun(circle), ['1']))).toEqual(['1', '2']);
  });
});

describe('a server without snapshots', () => {
  test('is done with a node once it runs the next', () => {
    const run = executing(executing(aRun(sampling), '1', 1), '2', 5);
    expect(doneOf(run)).toEqual(['1']);
    expect(run.nodes.get('1')).toMatchObject({ startedAt: 1, doneAt: 5 });
  });

  test('is not done with a loop while it runs the nodes that the loop made (0.3.30: `5.0.0.3.0.0.2`)', () => {
    const loop: Nodes = { '5': ['LoopClose'], '6': ['SaveImage', { images: ['5', 0] }] };
    const inLoop = executing(executing(executing(aRun(loop), '5', 1), '5.0.0.1', 2), '5.0.0.3.0.0.2', 3);
    expect(doneOf(inLoop)).toEqual(['5.0.0.1']);
    expect(doneOf(executing(inLoop, '6', 4))).toEqual(['5', '5.0.0.1', '5.0.0.3.0.0.2']);
  });

  test('is not done with a node that waits for a lazy input', () => {
    const run = executing(executing(aRun(sampling), '3', 1), '2', 2);
    expect(doneOf(run)).toEqual([]);
  });

  test('tells steps without a node: they are of the one at work, else of the one that declares as many, else of the longest', () => {
    expect(stepped(executing(aRun(twoSamplers), '2', 1), undefined, 1, 30, 2).current).toBe('2');
    expect(stepped(aRun(twoSamplers), undefined, 1, 10, 2).current).toBe('2');
    expect(stepped(aRun(twoSamplers), undefined, 1, 7, 2).current).toBe('4');
  });
});

describe('a snapshot', () => {
  test('undoes nothing: what was done stays done', () => {
    expect(doneOf(snapshot(snapshot(aRun(sampling), [finished('1')], 1), [running('1')], 2))).toEqual(['1']);
  });

  test('keeps naming the node at work while it runs, then the one that started last', () => {
    const one = snapshot(aRun(twoSamplers), [running('2', 1, 10)], 1);
    const two = snapshot(one, [running('2', 2, 10), running('4', 1, 30)], 2);
    expect(two.current).toBe('2');
    expect(snapshot(two, [finished('2', 10, 10), running('4', 2, 30)], 3).current).toBe('4');
  });

  test('in which nothing changed leaves the very nodes', () => {
    const one = snapshot(aRun(sampling), [finished('1'), running('2', 3, 10)], 1);
    expect(snapshot(one, [finished('1'), running('2', 3, 10)], 2).nodes).toBe(one.nodes);
  });
});

describe('nodes that are done in front of a snapshot', () => {
  const front = [finished('1'), finished('2')];
  const after = snapshot(aRun(sampling), [...front, running('3')], 1_000);

  test('are looked at no more', () => {
    expect(after.doneInFront).toBe(2);
    expect(snapshot(after, [...front, running('3')], 2_000)).toBe(after);
  });

  test('are looked at where they stand in another order', () => {
    const others = snapshot(after, [running('3'), finished('4'), ...front], 2_000);
    expect(doneOf(others)).toEqual(['1', '2', '4']);
  });
});

test('a workflow that is not known is not nearly over, whatever its first node says', () => {
  const run = stepped(executing(runClock(planOf(emptyGraph), { at: 0 }), '1', 0), '1', 9, 10, 9_000);
  expect(timeLeft(run, 9_000).ms).toBeGreaterThan(9_000);
});

describe('a node', () => {
  test('whose value falls has begun another round: its first was not all of it', () => {
    const tiles: Nodes = { '1': ['UltimateSDUpscale', { steps: 20 }], '2': ['SaveImage', { images: ['1', 0] }] };
    const steps = Array.from({ length: 45 }, (_, n) => n);
    const run = steps.reduce((run, n) => stepped(run, '1', (n % 20) + 1, 20, n * 100), executing(aRun(tiles), '1', 0));
    expect(run.nodes.get('1')).toMatchObject({ rounds: 2, value: 5, max: 20 });
    expect(timeLeft(run, 4_500).ms).toBeGreaterThan(1_500);
  });

  test('counts where it counts in shares, or in anything', () => {
    const run = snapshot(aRun({ '1': ['Sleep'] }), [running('1', 0.5, 1)], 500);
    expect(isCounting(run)).toBe(true);
    const bytes = [0, 1, 2].reduce(
      (run, n) => stepped(run, '1', n * 5e8, 1e10, n * 1_000),
      executing(aRun({ '1': ['Download'] }), '1', 0),
    );
    expect(timeLeft(bytes, 2_000).ms / 18_000).toBeCloseTo(1, 1);
  });

  test('of a subgraph belongs to the node that made it', () => {
    const run = snapshot(aRun({ '5': ['Expand'] }), [running('5'), { ...running('x', 1, 4), parentId: '5' }], 1);
    expect(run.nodes.get('x')?.owner).toBe('5');
    const deeper = snapshot(run, [{ ...running('y', 1, 4), parentId: 'x' }], 2);
    expect(deeper.nodes.get('y')?.owner).toBe('5');
  });

  test('that is told of by `executed` alone is done', () => {
    expect(doneOf(executed(aRun(sampling), '4', 9))).toEqual(['4']);
  });
});

test('a class whose pace was seen in this run is expected to go on at that pace', () => {
  const seen = [1, 2, 3].reduce((run, n) => stepped(run, '2', n, 10, n * 10_000), executing(aRun(twoSamplers), '2', 0));
  // 7 steps here and 30 there, 10 s each.
  expect(timeLeft(seen, 30_000).ms / 370_000).toBeCloseTo(1, 1);
});

test('a node that counts more rounds than it was known for is expected to count half as many again', () => {
  const durations = () => ({ fixedMs: 0, stepMs: 100, steps: 10, rounds: 2, alone: 1, trust: 1 });
  const one: Nodes = { '1': ['FaceDetailer'] };
  let run = executing(aRun(one, { durations }), '1', 0);
  for (let n = 0; n < 80; n++) run = stepped(run, '1', (n % 10) + 1, 10, (n + 1) * 100);
  const left = timeLeft(run, 8_000);
  expect(left.ms).toBeGreaterThan(2_500);
  expect(isSureOf(left)).toBe(false);
});
