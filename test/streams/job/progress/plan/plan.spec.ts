import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { namesOf, numbersOf } from '../../../../../streams/job/progress/plan/telling';
import { graphOf, graphOfPrompt, outlineOf } from '../../../../../streams/job/workflow';
import { graph, sampling, workflow, type Nodes } from '../a-run';

const stepsOf = (nodes: Nodes, id = '1'): number | undefined => planOf(graph(nodes)).nodes.get(id)?.steps;

describe('the steps of a node', () => {
  test('are a literal, a text that is a number, or what a primitive or reroute before it says', () => {
    expect(stepsOf({ '1': ['KSampler', { steps: 20 }] })).toBe(20);
    expect(stepsOf({ '1': ['KSampler', { steps: '20' }] })).toBe(20);
    const linked: Nodes = {
      '1': ['KSampler', { steps: ['2', 0] }],
      '2': ['Reroute', { any: ['3', 0] }],
      '3': ['PrimitiveInt', { value: 25 }],
    };
    expect(stepsOf(linked)).toBe(25);
    expect(stepsOf({ ...linked, '3': ['PrimitiveInt', { seed_value: 7, value: 25 }] })).toBe(25);
  });

  test('belong to whoever consumes them: a sampler those of the scheduler that its sigmas lead to', () => {
    const flux: Nodes = {
      '1': ['SamplerCustomAdvanced', { sigmas: ['2', 0] }],
      '2': ['SplitSigmas', { sigmas: ['3', 0] }],
      '3': ['BasicScheduler', { steps: 20 }],
      '4': ['SaveLoRA', { steps: 100, lora: ['1', 0] }],
    };
    expect(stepsOf(flux)).toBe(20);
    expect(stepsOf(flux, '3')).toBeUndefined();
    expect(stepsOf(flux, '4')).toBeUndefined();
  });

  test('are those between the first and the last that are asked for', () => {
    expect(stepsOf({ '1': ['KSamplerAdvanced', { steps: 20, start_at_step: 10, end_at_step: 10_000 }] })).toBe(10);
    expect(stepsOf({ '1': ['KSamplerAdvanced', { steps: 20, start_at_step: 0, end_at_step: 8 }] })).toBe(8);
    expect(stepsOf({ '1': ['KSamplerAdvanced', { steps: 20, start_at_step: 5 }] })).toBe(15);
    expect(stepsOf({ '1': ['KSamplerAdvanced', { steps: 20, end_at_step: 8 }] })).toBe(8);
    expect(stepsOf({ '1': ['KSamplerAdvanced', { steps: 20, start_at_step: 19 }] })).toBe(1);
  });

  test.each([[0], [-1], [Number.NaN], [null], [['9', 0]], [['1', 0]], ['many'], [{}]])(
    'are not known where the input is %p',
    (steps) => {
      expect(stepsOf({ '1': ['KSampler', { steps }] })).toBeUndefined();
    },
  );
});

test('the same node with another seed or prompt is the same; with another size or model it is another', () => {
  const keyOf = (inputs: Record<string, unknown>): string | undefined =>
    [...planOf(graph({ '1': ['KSampler', inputs] })).nodes.values()].map((node) => namesOf(node)[1])[0];
  const key = keyOf({ steps: 20, seed: 1, text: 'a cat' });
  expect(keyOf({ steps: 20, seed: 2, text: 'a dog' })).toBe(key);
  expect(keyOf({ steps: 30, seed: 1 })).not.toBe(key);
  expect(keyOf({ steps: 20, sampler_name: 'euler' })).not.toBe(key);
  expect(keyOf({ sampler_name: 'euler', steps: 20 })).toBe(keyOf({ steps: 20, sampler_name: 'euler' }));
});

test('a node whose steps are declared by another is the same as long as those are', () => {
  const keyOf = (steps: number): string | undefined => {
    const node = planOf(graph({ '1': ['KSampler', { steps: ['2', 0] }], '2': ['PrimitiveInt', { value: steps }] }));
    return namesOf(node.nodes.get('1')!)[1];
  };
  expect(keyOf(20)).toBe(keyOf(20));
  expect(keyOf(30)).not.toBe(keyOf(20));
});

test('the numbers that a node’s time may depend on are its own below a million, its steps, and sizes before it', () => {
  const nodes: Nodes = {
    '1': ['EmptyLatentImage', { width: 64 }],
    '2': ['KSampler', { latent_image: ['1', 0], steps: '20', cfg: 7.5, big: 1e6, less: -1, seed: 5, text: 'a' }],
  };
  expect(Object.fromEntries(numbersOf(planOf(graph(nodes)).nodes.get('2')!))).toEqual({
    steps: 20,
    cfg: 7.5,
    '@steps': 20,
    '@width': 64,
  });
});

describe('the size of what a node works on', () => {
  const sizesOf = (nodes: Nodes, id: string) =>
    Object.fromEntries(planOf(graph(nodes)).nodes.get(id)?.context.sizes ?? []);

  test('is the nearest that stands before it, however far', () => {
    const chain = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, n) => [`${n + 2}`, ['ImageScale', { image: [`${n + 1}`, 0] }] as const]),
    );
    const nodes: Nodes = { '1': ['EmptyLatentImage', { width: 64, height: 32 }], ...chain };
    expect(sizesOf(nodes, '10001')).toEqual({ '@width': 64, '@height': 32 });
    const nearer: Nodes = { ...nodes, '10001': ['ImageScale', { image: ['10000', 0], width: 8 }] };
    expect(sizesOf({ ...nearer, last: ['SaveImage', { images: ['10001', 0] }] }, 'last')).toEqual({
      '@width': 8,
      '@height': 32,
    });
  });

  test('ends in a workflow that goes round in circles', () => {
    const nodes: Nodes = {
      '1': ['ImageScale', { image: ['2', 0], width: 8 }],
      '2': ['ImageScale', { image: ['1', 0], height: 4 }],
    };
    expect(sizesOf(nodes, '1')).toMatchObject({ '@height': 4 });
  });
});

describe('the graph of a workflow', () => {
  test('has each node’s type, title and inputs, each once', () => {
    const inputs = { a: ['2', 0], b: ['2', 1], c: ['3', 0], amount: 0.5, size: [64, 64], names: ['x', 'y', 'z'] };
    const [id, node] = [...graphOf({ '1': { class_type: 'Blend', inputs, _meta: { title: 'Both' } } })][0]!;
    expect(id).toBe('1');
    expect(node).toMatchObject({ type: 'Blend', title: 'Both', inputs: ['2', '3'] });
    expect([...node.literals]).toEqual([['amount', 0.5]]);
  });

  test.each([[null], ['{}'], [[]], [42], [undefined], [{ '1': null, '2': {}, '3': { class_type: 4 }, '4': [] }]])(
    'is empty where the workflow is %p',
    (value) => {
      expect(graphOf(value)).toEqual(new Map());
    },
  );

  test('takes nodes named like JavaScript’s own properties as nodes', () => {
    const value: unknown = JSON.parse(
      '{"__proto__": {"class_type": "A", "inputs": {"i": ["constructor", 0]}}, "constructor": {"class_type": "B"}}',
    );
    expect([...planOf(graphOf(value)).nodes.keys()].sort()).toEqual(['__proto__', 'constructor']);
  });
});

test('a workflow in outline has the same graph, and none of what was written, drawn or kept secret', () => {
  const whole = workflow({
    ...sampling,
    '5': ['Text', { text: 'secret words', value: 'secret value', clip: ['1', 0] }],
    '6': ['Api', { api_key_name: 'secret key', model_token: 'secret token', image: 'x'.repeat(1e6) }],
  });
  const outline = outlineOf({ workflow: JSON.stringify(whole), extraData: '{"api_key":"a secret"}' });
  expect(graphOfPrompt(outline)).toEqual(graphOf(whole));
  expect(JSON.stringify(outline)).not.toMatch(/secret|x{9}/);
});

test('[R16] of a thousand classes that feed a node a digest is kept', () => {
  const feeding = (last: string): Nodes =>
    Object.fromEntries(
      Array.from({ length: 1_000 }, (_, n) => [`${n}`, [n === 999 ? last : `Class${n}`.padEnd(300, 'x'), {}]]),
    );
  const all = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`in${n}`, [`${n}`, 0]]));
  const fedBy = (last: string): string =>
    planOf(graph({ ...feeding(last), all: ['SaveImage', all] })).nodes.get('all')!.fedBy;
  expect(fedBy('A').length).toBeLessThan(20);
  expect(fedBy('A')).not.toBe(fedBy('B'));
});
