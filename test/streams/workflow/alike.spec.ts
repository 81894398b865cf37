import { sameNodes } from '../../../streams/board/queue/line/same-nodes';
import { planOf } from '../../../streams/job/progress/plan/plan';
import { graphOf } from '../../../streams/job/workflow';
import { alike } from '../../../streams/workflow/alike';
import { seedsIn } from '../../../streams/workflow/graph';

const workflow = (seed: number, steps = 20) => ({
  '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'flux.safetensors' } },
  '2': { class_type: 'KSampler', inputs: { model: ['1', 0], seed, steps } },
  '3': { class_type: 'SaveImage', inputs: { images: ['2', 0] } },
});

test('jobs whose workflows are alike have one graph', () => {
  expect(graphOf(workflow(1))).toBe(graphOf({ ...workflow(1), '4': 'no node' }));
});

test('those that differ in a node share the others', () => {
  const [graph, other] = [graphOf(workflow(2, 20)), graphOf(workflow(2, 30))];
  expect(other).not.toBe(graph);
  expect(other.get('1')).toBe(graph.get('1'));
  expect(other.get('3')).toBe(graph.get('3'));
  expect(graph.get('2')?.literals.get('steps')).toBe(20);
  expect(other.get('2')?.literals.get('steps')).toBe(30);
});

test('those that differ in seeds share all nodes and their plan, and each has its own seeds', () => {
  const [graph, other] = [graphOf(workflow(2)), graphOf(workflow(3))];
  expect(other).not.toBe(graph);
  for (const [id, node] of graph) expect(other.get(id)).toBe(node);
  expect(planOf(other)).toBe(planOf(graph));
  expect([...seedsIn(graph)('2')]).toEqual([['seed', 2]]);
  expect([...seedsIn(other)('2')]).toEqual([['seed', 3]]);
  expect(graphOf(workflow(3))).toBe(other);
});

test('a node with another seed is another, whichever of its seeds that is and in whatever order they stand', () => {
  const seeds = (first: Record<string, unknown>, second: Record<string, unknown>) =>
    graphOf({ '1': { class_type: 'A', inputs: first }, '2': { class_type: 'B', inputs: second } });
  const before = seeds({ seed: 1, noise_seed: 2 }, { seed: '3' });
  expect(sameNodes(seeds({ noise_seed: 2, seed: 1 }, { seed: '3' }), before)).toEqual(['1', '2']);
  expect(sameNodes(seeds({ seed: 1, noise_seed: 2 }, { seed: 3 }), before)).toEqual(['1']);
  expect(sameNodes(seeds({ seed: 1, noise_seed: 4 }, { seed: '3' }), before)).toEqual(['2']);
  expect(sameNodes(seeds({ seed: 1 }, { seed: '3' }), before)).toEqual(['2']);
  expect(sameNodes(seeds({ seed: 2, noise_seed: 1 }, { seed: '3' }), before)).toEqual(['2']);
});

test('a number is not the text of it, and nodes in another order are another graph', () => {
  const { '1': loader, ...others } = workflow(4);
  expect([...graphOf({ a: loader, ...workflow(4) }).keys()]).toEqual(['1', '2', '3', 'a']);
  expect(graphOf({ b: loader, c: others[3] })).not.toBe(graphOf({ c: loader, b: others[3] }));
  expect(
    graphOf(workflow(4, '20' as never))
      .get('2')
      ?.literals.get('steps'),
  ).toBe('20');
  expect(graphOf(workflow(4)).get('2')?.literals.get('steps')).toBe(20);
});

test('a large one is kept as it is', () => {
  const large = Object.fromEntries(
    Array.from({ length: 1_001 }, (_, n) => [`n${n}`, { class_type: 'Note', inputs: {} }]),
  );
  expect(graphOf(large)).not.toBe(graphOf(large));
  expect(graphOf(large)).toEqual(graphOf(large));
});

test('[R16] what is kept for jobs to come is bounded in bytes: past 8 MiB all is forgotten', () => {
  const shared = alike(({ text }: { readonly text: string }) => text);
  const graph = (text: string) => shared(new Map([['1', { text }]]));
  const large = (letter: string) => graph(letter.repeat(3 << 19));
  const before = graph('small');
  large('a');
  expect(graph('small')).toBe(before);
  ['b', 'c'].forEach(large);
  expect(graph('small')).not.toBe(before);
  expect(graph('small').get('1')).not.toBe(before.get('1'));
});
