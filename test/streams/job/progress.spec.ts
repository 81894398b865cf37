import { done, executing, fractionDone, snapshot, stepped, stepsAreDone } from '../../../streams/job/progress/progress';
import { newTally, type Tally } from '../../../streams/job/progress/tally';
import { ownerOf } from '../../../streams/job/progress/weights';
import { emptyGraph, graphOf, graphOfPrompt, type Graph, outlineOf } from '../../../streams/job/workflow';
import { finished, graph, running, sampling } from './a-job';

/** A tally after some facts, a fact a function. */
const tally = (...facts: readonly ((tally: Tally) => Tally)[]): Tally =>
  facts.reduce((tally, fact) => fact(tally), newTally());
const cached =
  (...ids: string[]) =>
  (tally: Tally): Tally => ({ ...tally, cached: new Set(ids) });
const targets =
  (...ids: string[]) =>
  (tally: Tally): Tally => ({ ...tally, targets: ids });
const shown =
  (...nodes: Parameters<typeof snapshot>[1]) =>
  (tally: Tally): Tally =>
    snapshot(tally, nodes);

/** Two samplers of ten and thirty steps, each saved, from one image. */
const twoSamplers = graph({
  '1': ['EmptyImage'],
  '2': ['Sampler', { image: ['1', 0], steps: 10 }],
  '3': ['SaveImage', { images: ['2', 0] }],
  '4': ['Sampler', { image: ['1', 0], steps: 30 }],
  '5': ['SaveImage', { images: ['4', 0] }],
});

/** A switch that reads one of two samplers. */
const lazy = graph({
  '1': ['Sampler', { steps: 10 }],
  '2': ['Sampler', { steps: 90 }],
  '3': ['LazySwitch', { a: ['1', 0], b: ['2', 0] }],
  '4': ['SaveImage', { images: ['3', 0] }],
});

/** A loop that builds its rounds as it goes. */
const loop = graph({
  '1': ['EmptyImage'],
  '5': ['ForLoop', { image: ['1', 0] }],
  '6': ['SaveImage', { images: ['5', 0] }],
});

describe('how much is done', () => {
  test('is nothing before anything started', () => {
    expect(fractionDone(sampling, newTally())).toBe(0);
    expect(fractionDone(emptyGraph, newTally())).toBe(0);
  });

  test('is everything when every node is done', () => {
    expect(fractionDone(sampling, tally(shown(finished('1'), finished('2', 10, 10), finished('3'))))).toBe(1);
  });

  test('goes by steps, not by nodes', () => {
    const half = fractionDone(sampling, tally(shown(finished('1'), running('2', 5, 10))));
    expect(half).toBeGreaterThan(0.45);
    expect(half).toBeLessThan(0.55);
  });

  test('leaves out what ran for an earlier job: a cached sampler is no work', () => {
    const second = tally(cached('1', '2'), shown(running('4', 15, 30)));
    expect(fractionDone(twoSamplers, second)).toBeCloseTo(15 / 30.4, 5);
  });

  test('is nothing, not NaN, where all is cached', () => {
    expect(fractionDone(sampling, tally(cached('1', '2', '3')))).toBe(0);
  });

  test('counts a cached output node that is shown as done', () => {
    expect(fractionDone(sampling, tally(cached('1', '2', '3'), shown(finished('3'))))).toBe(1);
  });

  test('drops a lazy branch that the node above it did not wait for', () => {
    const before = tally(shown(finished('1', 10, 10)));
    expect(fractionDone(lazy, before)).toBeLessThan(0.15);
    const switched = shown(finished('1', 10, 10), finished('3'));
    expect(fractionDone(lazy, tally(switched))).toBeGreaterThan(0.95);
  });

  test('counts both branches while the switch waits', () => {
    const waiting = tally(shown(running('3', 0, 1), running('1', 10, 10)));
    expect(fractionDone(lazy, waiting)).toBeCloseTo(10 / 100.4, 3);
  });

  test('adds up nodes that run side by side', () => {
    const one = fractionDone(twoSamplers, tally(shown(finished('1'), running('2', 5, 10))));
    const both = fractionDone(twoSamplers, tally(shown(finished('1'), running('2', 5, 10), running('4', 15, 30))));
    expect(both - one).toBeCloseTo(15 / 40.6, 5);
  });

  test('takes only the branches that the queue names as outputs', () => {
    const all = fractionDone(twoSamplers, tally(shown(running('2', 10, 10))));
    const only = fractionDone(twoSamplers, tally(targets('3'), shown(running('2', 10, 10))));
    expect(all).toBeLessThan(0.3);
    expect(only).toBeGreaterThan(0.9);
  });

  test('takes outputs that other nodes read from as outputs where the queue says so', () => {
    const chained = graph({
      '1': ['Sampler', { steps: 10 }],
      '2': ['SaveImage', { images: ['1', 0] }],
      '3': ['Sampler', { images: ['2', 0], steps: 90 }],
    });
    expect(fractionDone(chained, tally(targets('2'), shown(running('1', 10, 10))))).toBeGreaterThan(0.9);
  });

  test('believes the steps that are seen over those that were declared', () => {
    const seen = fractionDone(sampling, tally(shown(running('2', 10, 20))));
    expect(seen).toBeCloseTo(10 / 20.4, 5);
  });

  test('knows the steps of a node that has not started yet from its workflow', () => {
    const before = fractionDone(twoSamplers, tally(shown(finished('1'), finished('2', 10, 10), finished('3'))));
    expect(before).toBeCloseTo(10.4 / 40.6, 5);
  });

  test('weighs a loader and a decoder more than a plain node, and less than a sampler', () => {
    const rendering = graph({
      '1': ['CheckpointLoaderSimple'],
      '2': ['KSampler', { model: ['1', 0], steps: 20 }],
      '3': ['VAEDecode', { samples: ['2', 0] }],
      '4': ['SaveImage', { images: ['3', 0] }],
    });
    const upTo = (...ids: string[]): number => fractionDone(rendering, tally(shown(...ids.map((id) => finished(id)))));
    const [loaded, sampled, decoded, saved] = [
      upTo('1'),
      upTo('1', '2'),
      upTo('1', '2', '3'),
      upTo('1', '2', '3', '4'),
    ];
    expect(sampled - loaded).toBeGreaterThan(loaded);
    expect(loaded).toBeGreaterThan(decoded - sampled);
    expect(decoded - sampled).toBeGreaterThan(saved - decoded);
    expect(saved).toBe(1);
  });

  test('of an unknown workflow is what can be seen of it, and never all', () => {
    expect(fractionDone(emptyGraph, tally(shown(running('7', 5, 10))))).toBeCloseTo(5 / 10.2, 5);
    expect(fractionDone(emptyGraph, tally(shown(finished('7', 10, 10))))).toBeLessThan(1);
  });

  test('survives a workflow that goes round in circles', () => {
    const circle = graph({ '1': ['A', { a: ['2', 0] }], '2': ['B', { b: ['1', 0] }], '3': ['C', { c: ['1', 0] }] });
    expect(fractionDone(circle, tally(shown(running('1', 1, 2))))).toBeGreaterThan(0);
  });
});

describe('a subgraph', () => {
  test('counts within the node that made it', () => {
    const rounds = tally(shown(finished('1'), running('5', 0, 1), { ...finished('5.0.0.1', 4, 4), parentId: '5' }));
    const share = fractionDone(loop, rounds);
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
    expect(
      fractionDone(loop, tally(shown(finished('1'), finished('5'), { ...finished('5.0.0.1', 4, 4), parentId: '5' }))),
    ).toBeLessThan(1);
  });

  test('never adds up to more than all, however many nodes it makes', () => {
    const made = Array.from({ length: 200 }, (_, round) => ({ ...finished(`5.0.0.${round}`), parentId: '5' }));
    expect(fractionDone(loop, tally(shown(finished('1'), running('5', 0, 1), ...made)))).toBeLessThan(1);
    expect(fractionDone(loop, tally(shown(finished('1'), finished('5'), finished('6'), ...made)))).toBe(1);
  });

  test('is found by the parents of its nodes', () => {
    const nested = tally(shown({ ...running('x', 0, 1), parentId: '5' }, { ...running('y', 0, 1), parentId: 'x' }));
    expect(ownerOf(loop, nested, 'y')).toBe('5');
  });

  test('is found by its ids where 0.3.30 tells no parents', () => {
    expect(ownerOf(loop, newTally(), '5.0.0.3.0.0.2')).toBe('5');
    expect(ownerOf(loop, newTally(), '5.0.0.2')).toBe('5');
  });

  test('of nobody known belongs to itself', () => {
    expect(ownerOf(loop, newTally(), '77.0.0.1')).toBe('77.0.0.1');
    expect(ownerOf(loop, newTally(), '')).toBe('');
  });

  test('whose parents go round in circles ends the search', () => {
    const circle = tally(shown({ ...running('x', 0, 1), parentId: 'y' }, { ...running('y', 0, 1), parentId: 'x' }));
    expect(['x', 'y']).toContain(ownerOf(loop, circle, 'x'));
  });
});

describe('a server without snapshots', () => {
  const ran = (...ids: string[]) =>
    ids.map(
      (id) =>
        (tally: Tally): Tally =>
          executing(tally, loop, id),
    );

  test('is done with a node once it runs the next', () => {
    const { nodes } = tally(...ran('1', '5'));
    expect(nodes.get('1')?.done).toBe(true);
    expect(nodes.get('5')?.done).toBe(false);
  });

  test('is not done with a loop while it runs the nodes that the loop made (0.3.30: `5.0.0.3.0.0.2`)', () => {
    const { nodes } = tally(...ran('1', '5', '5.0.0.2', '5.0.0.3', '5.0.0.3.0.0.2'));
    expect(nodes.get('5')?.done).toBe(false);
    expect(tally(...ran('1', '5', '5.0.0.2', '6')).nodes.get('5')?.done).toBe(true);
  });

  test('is not done with a node that waits for a lazy input', () => {
    const asked = [executing, executing].reduce(
      (tally, run, index) => run(tally, lazy, ['3', '1'][index]!),
      newTally(),
    );
    expect(asked.nodes.get('3')?.done).toBe(false);
  });

  test('is not done with a node because it is told again', () => {
    expect(tally(...ran('1', '1')).nodes.get('1')?.done).toBe(false);
  });

  test('tells steps without a node: they are of the one that declares as many', () => {
    const one = stepped(newTally(), twoSamplers, undefined, 5, 30);
    expect(one.nodes.get('4')).toMatchObject({ value: 5, max: 30 });
    expect(stepped(one, twoSamplers, undefined, 5, 10).nodes.get('2')).toMatchObject({ value: 5, max: 10 });
  });

  test('tells steps without a node that nobody declared: they are of the heaviest that is left', () => {
    expect(stepped(newTally(), twoSamplers, undefined, 1, 7).current).toBe('4');
    expect(stepped(done(newTally(), '4'), twoSamplers, undefined, 1, 7).current).toBe('2');
  });

  test('tells steps without a node of a workflow that is not known', () => {
    const unknown = stepped(newTally(), emptyGraph, undefined, 5, 10);
    expect(fractionDone(emptyGraph, unknown)).toBeGreaterThan(0.4);
  });
});

describe('a snapshot', () => {
  test('undoes nothing: what was done stays done', () => {
    expect(tally(shown(finished('1')), shown(running('1', 0, 1))).nodes.get('1')?.done).toBe(true);
  });

  test('keeps naming the node at work while it runs, then the one that started last', () => {
    const two = tally(shown(running('2', 1, 10)), shown(running('2', 2, 10), running('4', 1, 30)));
    expect(two.current).toBe('2');
    expect(snapshot(two, [finished('2', 10, 10), running('4', 2, 30)]).current).toBe('4');
  });

  test('ends the guess that a node is done when the next runs', () => {
    const parallel = tally(
      shown(running('2', 1, 10)),
      (tally) => executing(tally, twoSamplers, '2'),
      (tally) => executing(tally, twoSamplers, '4'),
    );
    expect(parallel.nodes.get('2')?.done).toBe(false);
  });
});

describe('the steps', () => {
  test('are done when those of all that step are', () => {
    const first = tally(shown(running('2', 10, 10)));
    expect(stepsAreDone(twoSamplers, first)).toBe(false);
    expect(stepsAreDone(twoSamplers, snapshot(first, [running('4', 30, 30)]))).toBe(true);
    expect(stepsAreDone(twoSamplers, { ...first, cached: new Set(['4']) })).toBe(true);
  });

  test('are not done where nothing steps', () => {
    expect(
      stepsAreDone(graph({ '1': ['EmptyImage'], '2': ['SaveImage', { i: ['1', 0] }] }), tally(shown(finished('1')))),
    ).toBe(false);
  });
});

describe('the steps that a workflow declares', () => {
  const stepsOf = (inputs: Record<string, unknown>, others: Record<string, unknown> = {}): number | undefined =>
    graphOf({ '1': { class_type: 'Sampler', inputs }, ...others }).get('1')?.steps;
  const primitive = (value: unknown) => ({ '9': { class_type: 'PrimitiveInt', inputs: { value } } });

  test('are a literal', () => {
    expect(stepsOf({ steps: 20 })).toBe(20);
    expect(stepsOf({ max_train_steps: 1_500 })).toBe(1_500);
  });

  test('are those of the primitive that a link leads to', () => {
    expect(stepsOf({ steps: ['9', 0] }, primitive(25))).toBe(25);
  });

  test.each([['20'], [0], [-1], [Number.NaN], [1e999], [null], [['9', 0]], [['__proto__', 0]], [['1', 0]]])(
    'are not known where the input is %p',
    (steps) => {
      expect(stepsOf({ steps }, primitive('many'))).toBeUndefined();
    },
  );
});

describe('the graph of a workflow', () => {
  test('has each node’s type, title and inputs, each once', () => {
    const node = {
      class_type: 'Blend',
      inputs: { a: ['2', 0], b: ['2', 1], c: ['3', 0], amount: 0.5, size: [64, 64], names: ['x', 'y', 'z'] },
      _meta: { title: 'Both' },
    };
    expect(graphOf({ '1': node })).toEqual(new Map([['1', { type: 'Blend', title: 'Both', inputs: ['2', '3'] }]]));
  });

  test.each([[null], ['{}'], [[]], [42], [undefined], [{ '1': null, '2': {}, '3': { class_type: 4 }, '4': [] }]])(
    'is empty where the workflow is %p',
    (workflow) => {
      expect(graphOf(workflow)).toEqual(new Map());
    },
  );

  test('takes nodes named like JavaScript’s own properties as nodes', () => {
    const workflow: unknown = JSON.parse(
      '{"__proto__": {"class_type": "A", "inputs": {"i": ["constructor", 0]}}, "constructor": {"class_type": "B"}}',
    );
    const nodes: Graph = graphOf(workflow);
    expect([...nodes.keys()].sort()).toEqual(['__proto__', 'constructor']);
    expect(fractionDone(nodes, tally(shown(finished('constructor'))))).toBeCloseTo(0.5, 5);
  });
});

test('a workflow in outline has the same graph, and none of what was written or drawn', () => {
  const workflow = {
    '1': { class_type: 'Primitive', inputs: { value: 30 } },
    '2': { class_type: 'Text', inputs: { text: 'a secret', clip: ['1', 0] }, _meta: { title: 'Prompt' } },
    '3': { class_type: 'KSampler', inputs: { steps: ['1', 0], cfg: 7, image: 'x'.repeat(1e6), positive: ['2', 0] } },
  };
  const outline = outlineOf({ workflow: JSON.stringify(workflow), extraData: '{"api_key":"a secret"}' });
  expect(graphOfPrompt(outline)).toEqual(graphOf(workflow));
  expect(JSON.stringify(outline)).not.toMatch(/secret|x{9}/);
});
