import type { Prompt, PromptNode } from './execution/graph';
import { checkpoints } from './nodes/nodes-model';

/** Makes a workflow differ from every other, so that nothing of it is cached; random where absent. */
interface Seeded {
  readonly seed?: number;
}

const anySeed = () => Math.floor(Math.random() * 0xffffffff);
const node = (class_type: string, inputs: PromptNode['inputs']): PromptNode => ({ class_type, inputs });
const emptyImage = (color = 0) => node('EmptyImage', { width: 64, height: 64, batch_size: 1, color });
const save = (from: string, filename_prefix: string) => node('SaveImage', { images: [from, 0], filename_prefix });
const preview = (from: string) => node('PreviewImage', { images: [from, 0] });

interface StepsOptions extends Seeded {
  readonly steps?: number;
  readonly secondsPerStep?: number;
  /** Steps between two previews; 0 for none. */
  readonly previewEvery?: number;
}

function stepsNode(from: string, { steps: count = 10, secondsPerStep = 0.05, previewEvery = 0, seed }: StepsOptions) {
  const pace = { steps: count, seconds_per_step: secondsPerStep, preview_every: previewEvery };
  return node('StepsWithProgress', { image: [from, 0], ...pace, seed: seed ?? anySeed() });
}

/** Four nodes, one of which counts its steps: 0.5 s. */
export function steps(options: StepsOptions = {}): Prompt {
  return {
    '1': emptyImage(),
    '2': stepsNode('1', options),
    '3': node('ImageInvert', { image: ['2', 0] }),
    '4': save('3', 'steps'),
  };
}

/** Two nodes that count, a preview after the first and a saved image after the second: 1.5 s. */
export function twoOutputs({ seed = anySeed() }: Seeded = {}): Prompt {
  return {
    '1': emptyImage(),
    '2': stepsNode('1', { steps: 20, previewEvery: 5, seed }),
    '4': save('5', 'two'),
    '5': stepsNode('2', { steps: 5, secondsPerStep: 0.1, seed }),
    '6': preview('2'),
  };
}

/** Fails in node 2 with an ordinary exception. */
export function nodeError({ seed = anySeed() }: Seeded = {}): Prompt {
  return { '1': emptyImage(), '2': node('TestSyncError', { value: ['1', 0], seed }), '4': preview('2') };
}

/** Fails in node 2 for want of memory. */
export function outOfMemory({ seed = anySeed() }: Seeded = {}): Prompt {
  return { '1': emptyImage(), '2': node('OutOfMemory', { image: ['1', 0], seed }), '4': preview('2') };
}

/** Is refused: a height that is no number, and an input from a node that is not there. */
export function rejected(): Prompt {
  return {
    '1': node('EmptyImage', { width: 64, height: 'x', batch_size: 1, color: 0 }),
    '4': preview('1'),
    '5': preview('99'),
  };
}

/** One of its two outputs is refused, the other runs. */
export function partlyRejected({ seed = anySeed() }: Seeded = {}): Prompt {
  return { ...steps({ seed }), '5': preview('99') };
}

/** A loop of `n` turns, each of which makes nodes that are not in the workflow. */
export function loop(n: number, { seed = anySeed() }: Seeded = {}): Prompt {
  return {
    '1': emptyImage(seed % 0xffffff),
    '2': node('TestForLoopOpen', { remaining: n, initial_value1: ['1', 0] }),
    '3': node('ImageInvert', { image: ['2', 2] }),
    '4': save('5', 'loop'),
    '5': node('TestForLoopClose', { flow_control: ['2', 0], initial_value1: ['3', 0] }),
  };
}

/** Node 2 is never needed and never runs. */
export function lazy({ seed = anySeed() }: Seeded = {}): Prompt {
  return {
    '1': emptyImage(seed % 0xffffff),
    '2': emptyImage(255),
    '3': emptyImage(0),
    '4': save('5', 'lazy'),
    '5': node('TestLazyMixImages', { image1: ['1', 0], image2: ['2', 0], mask: ['7', 0] }),
    '7': node('ImageToMask', { image: ['3', 0], channel: 'red' }),
  };
}

/** Two nodes that run side by side, 1 s and 0.5 s. */
export function parallel({ seed = anySeed() }: Seeded = {}): Prompt {
  return {
    '1': emptyImage(),
    '2': node('TestSleep', { value: ['1', 0], seconds: 1, seed }),
    '3': node('TestSleep', { value: ['1', 0], seconds: 0.5, seed }),
    '4': preview('2'),
    '5': preview('3'),
  };
}

interface ImageOptions extends Seeded {
  readonly text?: string;
  readonly steps?: number;
  readonly secondsPerStep?: number;
}

/** Text to image, as people make it: 3 s. */
export function image(options: ImageOptions = {}): Prompt {
  return {
    ...textToImage(options.text ?? 'a lighthouse at dawn'),
    '5': sampler(options.seed ?? anySeed(), '2', options),
    '6': node('VAEDecode', { samples: ['5', 0], vae: ['1', 2] }),
    '9': save('6', 'image'),
  };
}

/** One character in three poses, each shown as soon as it is there, then kept: 6 s. */
export function characterSheet({ seed = anySeed(), ...options }: ImageOptions = {}): Prompt {
  const poses = ['front', 'side', 'back'].flatMap((pose, n): [string, PromptNode][] => {
    const id = (k: number) => String(10 * (n + 1) + k);
    return [
      [id(0), node('CLIPTextEncode', { text: `a knight, ${pose} view`, clip: ['1', 1] })],
      [id(1), sampler(seed + n, id(0), options)],
      [id(2), node('VAEDecode', { samples: [id(1), 0], vae: ['1', 2] })],
      [id(3), save(id(2), `character_${pose}`)],
    ];
  });
  const { '2': _text, ...shared } = textToImage('');
  return { ...shared, ...Object.fromEntries(poses) };
}

/** A face from one picture put into another: 2 s. */
export function faceSwap({ seed = anySeed() }: Seeded = {}): Prompt {
  return {
    '1': node('LoadImage', { image: 'portrait.png' }),
    '2': node('LoadImage', { image: 'face.png' }),
    '3': node('ReActorFaceSwap', { input_image: ['1', 0], source_image: ['2', 0], seed }),
    '4': save('3', 'swapped'),
  };
}

interface TrainingOptions extends Seeded {
  readonly steps?: number;
  readonly secondsPerStep?: number;
}

/** A LoRA training that says its loss at each step, shows it as a graph and saves the LoRA. */
export function training({ steps: count = 100, secondsPerStep = 0.1, seed = anySeed() }: TrainingOptions = {}): Prompt {
  const pace = { steps: count, seconds_per_step: secondsPerStep, seed };
  return {
    ...textToImage('a photo of sks person'),
    '5': node('TrainLora', { model: ['1', 0], latents: ['4', 0], positive: ['2', 0], ...pace }),
    '6': node('SaveLora', { lora: ['5', 0], prefix: 'loras/sks', steps: ['5', 2] }),
    '7': node('LossGraphNode', { loss: ['5', 1], filename_prefix: 'loss_graph' }),
  };
}

function textToImage(text: string): Record<string, PromptNode> {
  return {
    '1': node('CheckpointLoaderSimple', { ckpt_name: checkpoints[0], seconds: 0.8 }),
    '2': node('CLIPTextEncode', { text, clip: ['1', 1] }),
    '3': node('CLIPTextEncode', { text: 'blurry', clip: ['1', 1] }),
    '4': node('EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }),
  };
}

function sampler(
  seed: number,
  positive: string,
  { steps: count = 20, secondsPerStep = 0.1 }: ImageOptions,
): PromptNode {
  const settings = { seed, steps: count, cfg: 7, sampler_name: 'euler', scheduler: 'normal', denoise: 1 };
  const links = { model: ['1', 0], positive: [positive, 0], negative: ['3', 0], latent_image: ['4', 0] };
  return node('KSampler', { ...settings, ...links, seconds_per_step: secondsPerStep });
}
