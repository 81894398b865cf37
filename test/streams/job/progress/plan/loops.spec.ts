import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, graph, type Nodes } from '../a-run';

/** Samples five times, one after the other. */
const looping = (begins: Readonly<Record<string, unknown>> = { total: 5 }): Nodes => ({
  model: ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  start: ['easy forLoopStart', { ...begins, initial_value1: ['latent', 0] }],
  latent: ['EmptyLatentImage', { width: 512 }],
  sample: ['KSampler', { model: ['model', 0], latent_image: ['start', 2], steps: 10 }],
  shown: ['PreviewImage', { images: ['sample', 0] }],
  end: ['easy forLoopEnd', { flow: ['start', 0], initial_value1: ['sample', 0] }],
  save: ['SaveImage', { images: ['end', 0] }],
});

test('a loop’s last node repeats what lies between it and the first, as often as that declares', () => {
  const nodes = planOf(graph(looping())).nodes;
  const { body = [], ...loop } = nodes.get('end')?.loop ?? {};
  expect(loop).toEqual({ first: 'start', times: 5 });
  expect([...body].sort()).toEqual(['sample', 'start']);
  expect(nodes.get('end')?.steps).toBe(4);
  expect([...nodes.values()].filter((node) => node.loop !== undefined)).toHaveLength(1);
});

test.each([{}, { total: ['latent', 1] }, { total: 1e9 }, { total: 'many' }])(
  'one that declares %j goes round nobody knows how often',
  (begins) => {
    expect(planOf(graph(looping(begins))).nodes.get('end')?.loop).toBeUndefined();
  },
);

test('one whose nodes go round in circles is looked through once', () => {
  const circle: Nodes = {
    ...looping(),
    sample: ['KSampler', { latent_image: ['start', 2], model: ['back', 0] }],
    back: ['ImageScale', { image: ['sample', 0] }],
  };
  expect([...(planOf(graph(circle)).nodes.get('end')?.loop?.body ?? [])].sort()).toEqual(['back', 'sample', 'start']);
});

test('[R16] of ten thousand loops a few are looked through', () => {
  const many = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, n): [string, Nodes[string]] => [
      `end-${n}`,
      ['easy forLoopEnd', { flow: ['start', 0], value: ['sample', 0] }],
    ]),
  );
  const loops = [...planOf(graph({ ...looping(), ...many })).nodes.values()].filter(({ loop }) => loop !== undefined);
  expect(loops.length).toBeLessThanOrEqual(32);
});

test('[R16] of loops that share a thousand nodes two are looked through: a frame costs each of those', () => {
  const body = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, n): [string, Nodes[string]] => [
      `n${n}`,
      ['ImageScale', { image: [n === 0 ? 'start' : `n${n - 1}`, 0] }],
    ]),
  );
  const ends = Object.fromEntries(
    Array.from({ length: 30 }, (_, n): [string, Nodes[string]] => [
      `end${n}`,
      ['easy forLoopEnd', { flow: ['start', 0], value: ['n999', 0] }],
    ]),
  );
  const loops = [...planOf(graph({ start: ['easy forLoopStart', { total: 5 }], ...body, ...ends })).nodes.values()];
  expect(loops.filter(({ loop }) => loop !== undefined)).toHaveLength(2);
});

test('what is guessed of a loop is guessed once for each time', () => {
  const left = (total: number): number => timeLeft(aRun(looping({ total })), 0).ms;
  expect((left(9) - left(5)) / (left(5) - left(1))).toBeCloseTo(1, 1);
  expect(left(5)).toBeGreaterThan(3 * left(1));
});

test('once it has gone round, the rest takes as long each time, whatever was guessed', () => {
  let run = executing(executing(executing(aRun(looping()), 'model', 0), 'latent', 3_000), 'start', 3_010);
  run = executing(run, 'sample', 3_020);
  for (let n = 1; n <= 10; n++) run = stepped(run, 'sample', n, 10, 3_020 + 100 * n);
  run = executing(run, 'end', 4_020);
  const { ms, sureMs } = timeLeft(run, 4_020);
  expect(ms / 4_040).toBeCloseTo(1, 0);
  expect(sureMs / ms).toBeGreaterThan(0.6);
  // Three of its four rounds later.
  for (const round of [1, 2, 3]) run = executing(run, `end.0.${round}.sample`, 4_020 + 1_010 * (round - 1), 'sample');
  expect(timeLeft(run, 4_020 + 3_030).ms).toBeLessThan(2_000);
});
