import { learned } from '../../../../../streams/job/progress/learned/learned';
import { totalMs } from '../../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, withCached, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { ended, executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { graph, type Nodes } from '../a-run';

const ONE = 'http://one:8188';

/** A picture of a size, made in steps with a model; `extra` makes it another workflow. */
const picture = (model: string, width: number | undefined, extra: string, inputs = {}): Nodes => ({
  '1': ['CheckpointLoaderSimple', { ckpt_name: model }],
  '2': width === undefined ? ['LoadImage', {}] : ['EmptyLatentImage', { width, height: width, batch_size: 1 }],
  '3': ['KSampler', { model: ['1', 0], latent_image: ['2', 0], steps: 10, ...inputs }],
  '4': ['VAEDecode', { samples: ['3', 0], vae: ['1', 2] }],
  '5': [extra, { images: ['4', 0] }],
});

/** A run of it whose steps take so long each, `rounds` times all of them, and whose decoding takes as long as ten steps. */
function aRunOf(nodes: Nodes, stepMs: number, rounds = 1, loadMs = 0, cached: readonly string[] = []): RunClock {
  let run = withCached(runClock(planOf(graph(nodes)), { at: 0 }), cached);
  run = executing(executing(run, '2', 10), '3', 20);
  let at = 20 + loadMs;
  for (let round = 0; round < rounds; round++)
    for (let n = 1; n <= 10; n++) run = stepped(run, '3', n, 10, (at += stepMs));
  run = executing(executing(run, '4', at), '5', at + 10 * stepMs);
  return ended(run, at + 10 * stepMs + 10);
}

const knowing = (...runs: readonly RunClock[]) => {
  const known = learned();
  for (const run of runs) known.learn(ONE, run, 1e7);
  return (nodes: Nodes, id: string, isCold = true) =>
    known.durationsOn(ONE)(planOf(graph(nodes)).nodes.get(id)!, isCold);
};

test('a list that made a sampler of one workflow count six times says nothing of another’s', () => {
  const expected = knowing(
    aRunOf(picture('a', 512, 'SaveImage'), 100),
    aRunOf(picture('a', 512, 'PreviewImage'), 100),
    ...Array.from({ length: 6 }, () => aRunOf(picture('a', 512, 'ShowListed'), 100, 6)),
  );
  expect(expected(picture('a', 512, 'SaveAnimatedWEBP', { cfg: 3 }), '3').rounds).toBe(1);
});

test('where workflows differ in how often a class counts, the end is not sure', () => {
  const expected = knowing(
    aRunOf(picture('a', 512, 'SaveImage'), 100, 2),
    aRunOf(picture('a', 512, 'PreviewImage'), 100, 9),
    aRunOf(picture('a', 512, 'ShowListed'), 100, 4),
  );
  const { rounds, roundsSpread = 0 } = expected(picture('a', 512, 'SaveAnimatedWEBP', { cfg: 3 }), '3');
  expect(rounds).toBe(4);
  expect(roundsSpread).toBeGreaterThan(0.3);
});

test('a step of one model says nothing of those of another that the server has run, too', () => {
  const expected = knowing(
    aRunOf(picture('small.safetensors', 1024, 'SaveImage'), 50),
    aRunOf(picture('large.safetensors', 1024, 'SaveImage'), 1_500),
  );
  const stepMs = (model: string): number => expected(picture(model, 1024, 'PreviewImage', { cfg: 3 }), '3').stepMs;
  expect(stepMs('small.safetensors') / 50).toBeCloseTo(1, 0);
  expect(stepMs('large.safetensors') / 1_500).toBeCloseTo(1, 0);
});

test('a workflow with another model is not the one that ran: it is guessed, and each is known once both ran', () => {
  const [small, large] = ['small', 'large'].map((model) => picture(model, 1024, 'SaveImage'));
  const fast = aRunOf(small!, 50);
  expect(knowing(fast, fast)(large!, '3').trust).toBe(0);
  const expected = knowing(...Array.from({ length: 3 }, () => [fast, aRunOf(large!, 1_500)]).flat());
  for (const [nodes, stepMs] of [
    [small!, 50],
    [large!, 1_500],
  ] as const) {
    expect(expected(nodes, '3').stepMs).toBeCloseTo(stepMs);
    expect(expected(nodes, '3').trust).toBe(1);
  }
});

test('four times the pixels take about three times as long, before two sizes were seen', () => {
  const expected = knowing(aRunOf(picture('a', 512, 'SaveImage'), 100));
  const large = picture('a', 1024, 'PreviewImage', { cfg: 3 });
  for (const ms of [expected(large, '3').stepMs, totalMs(expected(large, '4')) / 10]) {
    expect(ms).toBeGreaterThan(250);
    expect(ms).toBeLessThan(400);
  }
});

test('a single step says nothing of a class that counts; of one that does not count, it does', () => {
  const counts = aRunOf(picture('a', 512, 'SaveImage'), 100);
  const single = picture('a', 512, 'PreviewImage', { steps: 1 });
  let run = executing(executing(runClock(planOf(graph(single)), { at: 0 }), '2', 10), '3', 20);
  run = ended(executing(run, '5', 9_000), 9_010);
  const other = picture('a', 512, 'SaveAnimatedWEBP', { cfg: 3 });
  expect(knowing(counts, run)(other, '3')).toEqual(knowing(counts)(other, '3'));
  expect(knowing(run)(other, '3').fixedMs / 8_980).toBeCloseTo(1, 0);
});

test('where the size is not known it is taken to be as usual', () => {
  const expected = knowing(
    aRunOf(picture('a', 768, 'SaveImage'), 80),
    aRunOf(picture('a', 1536, 'SaveImage'), 320),
    aRunOf(picture('a', 1024, 'SaveImage'), 140),
  );
  const { stepMs } = expected(picture('a', undefined, 'PreviewImage', { cfg: 3 }), '3');
  expect(stepMs).toBeGreaterThan(80);
  expect(stepMs).toBeLessThan(320);
});

test('what a class takes before its steps is another where its models are loaded', () => {
  const cold = aRunOf(picture('a', 1024, 'SaveImage'), 100, 1, 8_000);
  const warm = aRunOf(picture('a', 1024, 'SaveImage'), 100, 1, 0, ['1']);
  const expected = knowing(cold, warm, cold, warm, cold, warm);
  const other = picture('a', 1024, 'PreviewImage', { cfg: 3 });
  expect(expected(other, '3', true).fixedMs).toBeGreaterThan(5 * expected(other, '3', false).fixedMs);
});

test('what is read from the store after each run tells the same of other numbers, also after two hundred that were all alike', () => {
  const numbered = (cfg: number): Nodes =>
    picture('a', 1024, 'SaveImage', { cfg, tile: 512, strength: 1, overlap: 64 });
  const alike = aRunOf(numbered(8), 300);
  const [kept, read] = [learned(), learned()];
  for (let n = 0; n < 200; n++) {
    kept.learn(ONE, alike, 1e7);
    read.take(read.learn(ONE, alike, 1e7));
  }
  const other = planOf(graph(numbered(4))).nodes.get('3')!;
  const [before, after] = [kept, read].map((known) => known.durationsOn(ONE)(other, true).stepMs);
  expect(Math.abs(after! / before! - 1)).toBeLessThan(0.1);
});

test('what saves a picture takes as long whatever model made it', () => {
  const expected = knowing(aRunOf(picture('a', 1024, 'SaveImage'), 100));
  const other: Nodes = { ...picture('b', 1024, 'SaveImage'), '6': ['PreviewImage', { images: ['4', 0] }] };
  expect(expected(other, '5').trust).toBeGreaterThan(0);
  expect(expected(other, '4').trust).toBe(0);
});

test('what a list made long says nothing of a workflow without one, nor the other way round', () => {
  const listed = (more: Nodes = {}): Nodes => ({
    ...picture('a', 1024, 'SaveImage'),
    '0': ['CR Prompt List', {}],
    '6': ['CLIPTextEncode', { text: ['0', 0] }],
    ...more,
    '3': ['KSampler', { model: ['1', 0], latent_image: ['2', 0], positive: ['6', 0], steps: 10 }],
  });
  const fromList = knowing(aRunOf(listed(), 100, 6));
  expect(fromList(picture('a', 1024, 'SaveImage', { cfg: 3 }), '3').rounds).toBe(1);
  expect(fromList(picture('a', 1024, 'SaveImage', { cfg: 3 }), '4').trust).toBe(0);
  const fromOne = knowing(aRunOf(picture('a', 1024, 'SaveImage'), 100));
  const other = listed({ '7': ['PreviewImage', { images: ['4', 0] }] });
  expect(fromOne(other, '3').rounds).toBe(4);
  expect(totalMs(fromOne(other, '4')) / 4_000).toBeCloseTo(1, 0);
});

/** A run of a node that counts the frames of a video and those between them, 20 ms each. */
function writing(length: number, extra: string): RunClock {
  const [frames, stepMs] = [2 * length, 20];
  let run = executing(runClock(planOf(graph(video(length, extra))), { at: 0 }), '2', 0);
  for (let n = 1; n <= frames; n++) run = stepped(run, '2', n, frames, stepMs * n);
  return ended(executing(run, '3', stepMs * frames), stepMs * frames + 10);
}
const video = (length: number, extra: string): Nodes => ({
  '1': ['EmptyHunyuanLatentVideo', { width: 512, height: 512, length, batch_size: 1 }],
  '2': ['FrameWriter', { images: ['1', 0] }],
  '3': [extra, { images: ['2', 0] }],
});

test('a class that counts what it works on, and declares no steps, is expected to make the more of them the more that is', () => {
  const known = learned();
  for (const [frames, extra] of [
    [25, 'SaveA'],
    [200, 'SaveB'],
  ] as const)
    known.learn(ONE, writing(frames, extra), 1e6);
  const node = planOf(graph(video(40, 'SaveC'))).nodes.get('2')!;
  const expected = known.durationsOn(ONE)(node, true);
  expect(totalMs(expected)).toBeGreaterThan(800);
  expect(totalMs(expected)).toBeLessThan(3_200);
});

test('a class that counted elsewhere is expected to end in its time, also if it tells no step here', () => {
  const known = learned();
  known.learn(ONE, writing(200, 'SaveA'), 1e6);
  const silent = executing(
    runClock(planOf(graph(video(190, 'SaveB'))), { at: 0, durations: known.durationsOn(ONE) }),
    '2',
    0,
  );
  expect(timeLeft(silent, 4_000).ms).toBeLessThan(6_000);
});

test('that a sampler made three rounds in one workflow says nothing of another; in two, it does', () => {
  const shapes = ['SaveImage', 'PreviewImage', 'ShowListed'].map((extra) => picture('a', 512, extra));
  const runs = shapes.map((nodes) => aRunOf(nodes, 100, 3));
  const other = picture('a', 512, 'SaveAnimatedWEBP', { cfg: 3 });
  expect(knowing(runs[0]!)(other, '3').rounds).toBe(1);
  expect(knowing(...runs)(other, '3').rounds).toBe(3);
});
