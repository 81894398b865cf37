import { learned, type Learned } from '../../../../../streams/job/progress/learned/learned';
import { isSureOf } from '../../../../../streams/job/progress/node/node-left';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { runClock, type RunClock } from '../../../../../streams/job/progress/run-clock';
import { executing, stepped } from '../../../../../streams/job/progress/run-events';
import { timeLeft } from '../../../../../streams/job/progress/time-left';
import { graph, type Nodes } from '../a-run';

const ONE = 'http://one:8188';
const OTHER = 'http://other:8188';
const SAMPLERS = ['1', '2', '3', '4'];

/** Four samplers of ten steps, one after the other, and one that saves. */
const chain = (model: string, cfg = 7): Nodes => ({
  '0': ['CheckpointLoaderSimple', { ckpt_name: model }],
  ...Object.fromEntries(
    SAMPLERS.map((id, n): [string, Nodes[string]] => [
      id,
      ['KSampler', { model: ['0', 0], latent_image: [`${n}`, 0], steps: 10, cfg }],
    ]),
  ),
  '5': ['SaveImage', { images: ['4', 0] }],
});

/** So many samplers of a run are done, at so many ms a step. */
function sampled(known: Learned, nodes: Nodes, stepMs: number, samplers = 4, server = ONE): [RunClock, number] {
  let run = runClock(planOf(graph(nodes)), { at: 0, durations: known.durationsOn(server) });
  run = executing(run, '0', 0);
  let at = 1_000;
  for (const id of SAMPLERS.slice(0, samplers)) {
    run = executing(run, id, at);
    for (let n = 1; n <= 10; n++) run = stepped(run, id, n, 10, (at += stepMs));
  }
  return [executing(run, SAMPLERS[samplers] ?? '5', at), at];
}

function knowing(nodes: Nodes, stepMs: number): Learned {
  const known = learned();
  for (let n = 0; n < 4; n++) {
    const [run, at] = sampled(known, nodes, stepMs);
    known.learn(ONE, run, at + 20);
  }
  return known;
}

test.each([3, 0.3])('a run that takes %d times what it took before is expected to go on so', (factor) => {
  const [run, at] = sampled(knowing(chain('a'), 500), chain('a'), 500 * factor, 2);
  const left = timeLeft(run, at).ms / (2 * 10 * 500 * factor);
  expect(left).toBeGreaterThan(0.65);
  expect(left).toBeLessThan(1.5);
});

test('a run that takes a tenth longer than before changes next to nothing', () => {
  const [run, at] = sampled(knowing(chain('a'), 500), chain('a'), 550, 2);
  expect(timeLeft(run, at).ms / (2 * 10 * 500)).toBeCloseTo(1, 1);
});

const begun = (known: Learned, nodes: Nodes, server = ONE) =>
  timeLeft(runClock(planOf(graph(nodes)), { at: 0, durations: known.durationsOn(server) }), 0);

test('what is known of other servers alone is not sure', () => {
  const known = knowing(chain('a'), 500);
  expect(isSureOf(begun(known, chain('a', 5)))).toBe(true);
  expect(isSureOf(begun(known, chain('a', 5), OTHER))).toBe(false);
});

test('a model that its class was not seen with makes what the class tells a guess', () => {
  const known = knowing(chain('sd15.safetensors'), 50);
  const other = begun(known, chain('flux-dev.safetensors', 5));
  expect(isSureOf(other)).toBe(false);
  expect(other.ms).toBeGreaterThan(2 * begun(known, chain('sd15.safetensors', 5)).ms);
});

test('a run of a single step does not make its class one that does not count', () => {
  const known = knowing(chain('a'), 500);
  const one: Nodes = { '1': ['KSampler', { steps: 1, cfg: 1 }], '2': ['SaveImage', { images: ['1', 0] }] };
  const single = executing(runClock(planOf(graph(one)), { at: 0 }), '1', 0);
  known.learn(ONE, executing(stepped(single, '1', 1, 1, 400), '2', 500), 520);
  const node = planOf(graph(chain('a', 5))).nodes.get('1')!;
  expect(known.durationsOn(ONE)(node, true).stepMs / 500).toBeCloseTo(1, 0);
});

test('of many numbers the sizes count first', () => {
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`number${n}`, n + 1]));
  const video = (length: number): Nodes => ({
    '1': ['EmptyThing', { length }],
    '2': ['KSamplerAdvanced', { ...many, latent: ['1', 0], steps: 4 }],
    '3': ['SaveImage', { images: ['2', 0] }],
  });
  const known = learned();
  for (const length of [16, 32, 64, 16, 32, 64]) {
    let run = executing(runClock(planOf(graph(video(length))), { at: 0 }), '2', 0);
    for (let n = 1; n <= 4; n++) run = stepped(run, '2', n, 4, n * length * 100);
    known.learn(ONE, executing(run, '3', 400 * length), 400 * length + 20);
  }
  const node = planOf(graph(video(128))).nodes.get('2')!;
  expect(known.durationsOn(ONE)(node, false).stepMs).toBeGreaterThan(9_000);
});
