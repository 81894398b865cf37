import { byName, totalMs } from '../../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { amountOf } from '../../../../../streams/job/progress/plan/context';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { aRun, graph, type Nodes } from '../a-run';

const nodesOf = (nodes: Nodes) => planOf(graph(nodes)).nodes;
const guessed = (nodes: Nodes, id: string): number => totalMs(byName(nodesOf(nodes).get(id)!));

/** A picture of a size, and the same enlarged by a half. */
const twice = (width = 1024): Nodes => ({
  model: ['CheckpointLoaderSimple', { ckpt_name: 'a' }],
  empty: ['EmptyLatentImage', { width, height: width, batch_size: 1 }],
  first: ['KSampler', { model: ['model', 0], latent_image: ['empty', 0], steps: 20 }],
  larger: ['LatentUpscaleBy', { samples: ['first', 0], scale_by: 1.5 }],
  second: ['KSampler', { model: ['model', 0], latent_image: ['larger', 0], steps: 20 }],
  decoded: ['VAEDecode', { samples: ['second', 0] }],
  save: ['SaveImage', { images: ['decoded', 0] }],
});

test.each([512, 1024, 2048])(
  'of two samplers the one of the larger picture takes longer, whatever size (%i) the other has',
  (width) => {
    expect(guessed(twice(width), 'second') / guessed(twice(width), 'first')).toBeGreaterThan(1.6);
    expect(guessed(twice(width), 'first')).toBe(guessed(twice(), 'first'));
  },
);

test('the pace of the first of two samplers tells of the second, for what that works on', () => {
  let run = executing(executing(executing(aRun(twice()), 'model', 0), 'empty', 3_000), 'first', 3_010);
  for (let n = 1; n <= 20; n++) run = stepped(run, 'first', n, 20, 3_010 + n * 10_000);
  // Twenty steps of 2.25 times the pixels, which take 1.9 times as long.
  expect(timeLeft(run, 203_010).ms / 200_000).toBeCloseTo(1.9, 0);
  expect(timeLeft(run, 203_010).ms).toBeGreaterThan(340_000);
});

test('to save a picture takes as long as it is large', () => {
  const saving = (width: number): Nodes => ({
    '1': ['EmptyImage', { width, height: width, batch_size: 1 }],
    '2': ['SaveImage', { images: ['1', 0] }],
  });
  expect(guessed(saving(2048), '2') / guessed(saving(1024), '2')).toBeCloseTo(4, 1);
  expect(guessed(saving(64), '2')).toBeLessThan(guessed(saving(1024), '2') / 10);
  expect(guessed(saving(64), '2')).toBeGreaterThan(5);
});

test('[R16] nonsense as a size is a size all the same', () => {
  for (const width of [1e308, 1e-308, 5, -1, 0]) {
    const nodes = nodesOf({ ...twice(width), other: ['VAEDecode', { samples: ['second', 0], width, height: width }] });
    for (const node of nodes.values()) {
      expect(node.size).toBeLessThanOrEqual(30);
      expect(node.size).toBeGreaterThan(0.03);
      expect(Math.abs(amountOf(node) ?? 0)).toBeLessThanOrEqual(14);
      expect(totalMs(byName(node))).toBeLessThan(3_600_000);
    }
  }
});

test('a model that enlarges pictures does by four, where nothing else is said', () => {
  const enlarged = (inputs: Readonly<Record<string, unknown>>): Nodes => ({
    image: ['LoadImage', {}],
    up: ['ImageUpscaleWithModel', { upscale_model: ['m', 0], image: ['image', 0], ...inputs }],
    m: ['UpscaleModelLoader', {}],
    save: ['SaveImage', { images: ['up', 0] }],
  });
  const times = (nodes: Nodes): number => Math.exp(amountOf(nodesOf(nodes).get('save')!)!);
  expect(times(enlarged({}))).toBeCloseTo(16, 5);
  expect(times(enlarged({ upscale_by: 2 }))).toBeCloseTo(4, 5);
});

test('to decode a video takes longer than a picture, beside its steps', () => {
  const decoding = (length: number): Nodes => ({
    '1': ['EmptyHunyuanLatentVideo', { width: 832, height: 480, length }],
    '2': ['KSampler', { latent_image: ['1', 0], steps: 20 }],
    '3': ['VAEDecode', { samples: ['2', 0] }],
  });
  expect(guessed(decoding(81), '3') / guessed(decoding(1), '3')).toBeGreaterThan(3);
});

/** What samples for each of a list's texts. */
const listing = (type: string, between: Nodes = {}, from = 'list'): Nodes => ({
  list: [type, {}],
  ...between,
  text: ['CLIPTextEncode', { text: [from, 0] }],
  sample: ['KSampler', { positive: ['text', 0], steps: 20 }],
  save: ['SaveImage', { images: ['sample', 0] }],
});

test.each(['CR Prompt List', 'easy promptList', 'LoadImageListFromDir //Inspire', 'ImageBatchToImageList', 'XY Plot'])(
  'what comes after a %s is done for each it holds, some four times',
  (type) => {
    const rounds = (nodes: Nodes): number => byName(nodesOf(nodes).get('sample')!).rounds;
    expect(rounds(listing(type))).toBe(4);
    expect(guessed(listing(type), 'save')).toBe(4 * guessed(listing('CR Prompt Text'), 'save'));
    const again = { joined: ['StringListToString', { list: ['list', 0] }] } as const;
    expect(rounds(listing(type, again, 'joined'))).toBe(1);
  },
);

test.each(['ListLength', 'JoinStringList', 'PlaylistLoader', 'ImageListToImageBatch'])('a %s makes no list', (type) => {
  expect(nodesOf(listing(type)).get('sample')?.listed).toBe(1);
});
