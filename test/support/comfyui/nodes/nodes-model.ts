import type { InputSpec, NodeClass } from './node-class';
import { colorOf, image, number } from './nodes-image';
import { steps } from './nodes-test';

const SEED: InputSpec = ['INT', { default: 0, min: 0, max: 0xffff_ffff_ffff_ffffn }];
const seconds = (initial: number): InputSpec => ['FLOAT', { default: initial, min: 0, max: 9999, step: 0.01 }];
const count = (initial: number): InputSpec => ['INT', { default: initial, min: 1, max: 100000 }];

/** The checkpoints this server has. */
export const checkpoints = ['sd_xl_base_1.0.safetensors', 'v1-5-pruned-emaonly.safetensors'] as const;

/** Nodes that load, sample and train, as long as their inputs say. */
export const modelNodes: Readonly<Record<string, NodeClass>> = {
  CheckpointLoaderSimple: {
    required: { ckpt_name: [checkpoints] },
    optional: { seconds: seconds(0.5) },
    returns: ['MODEL', 'CLIP', 'VAE'],
    run: async (inputs, context) => {
      await context.sleep(number(inputs['seconds'] ?? 0.5));
      return { result: ['model', 'clip', 'vae'] };
    },
  },
  CLIPTextEncode: {
    required: { text: ['STRING'], clip: ['CLIP'] },
    returns: ['CONDITIONING'],
    run: ({ text }) => ({ result: [{ text }] }),
  },
  EmptyLatentImage: {
    required: { width: count(512), height: count(512), batch_size: count(1) },
    returns: ['LATENT'],
    run: ({ width, height }) => ({ result: [{ ...image(undefined), width: number(width), height: number(height) }] }),
  },
  KSampler: {
    required: {
      model: ['MODEL'],
      seed: SEED,
      steps: count(20),
      cfg: ['FLOAT', { default: 8, min: 0, max: 100 }],
      sampler_name: [['euler', 'dpmpp_2m']],
      scheduler: [['normal', 'karras']],
      positive: ['CONDITIONING'],
      negative: ['CONDITIONING'],
      latent_image: ['LATENT'],
      denoise: ['FLOAT', { default: 1, min: 0, max: 1 }],
    },
    optional: { seconds_per_step: seconds(0.1) },
    returns: ['LATENT'],
    run: async (inputs, context) => {
      await steps(context, number(inputs['steps']), number(inputs['seconds_per_step'] ?? 0.1), 1);
      return { result: [{ ...image(inputs['latent_image']), color: colorOf([inputs['seed'], inputs['positive']]) }] };
    },
  },
  VAEDecode: {
    required: { samples: ['LATENT'], vae: ['VAE'] },
    returns: ['IMAGE'],
    run: ({ samples }) => ({ result: [samples] }),
  },
  ReActorFaceSwap: {
    required: { input_image: ['IMAGE'], source_image: ['IMAGE'] },
    optional: { seconds: seconds(2), seed: SEED },
    returns: ['IMAGE'],
    run: async (inputs, context) => {
      await steps(context, 4, number(inputs['seconds'] ?? 2) / 4, 0);
      return { result: [{ ...image(inputs['input_image']), color: colorOf(inputs['source_image']) }] };
    },
  },
  TrainLora: {
    required: { model: ['MODEL'], latents: ['LATENT'], positive: ['CONDITIONING'], steps: count(16), seed: SEED },
    optional: { seconds_per_step: seconds(0.1) },
    returns: ['LORA_MODEL', 'LOSS_MAP', 'INT'],
    run: async (inputs, context) => {
      const total = number(inputs['steps']);
      for (let step = 1; step <= total; step += 1) {
        await context.sleep(number(inputs['seconds_per_step'] ?? 0.1));
        context.progress(step, total);
        context.text(`step ${step}/${total}, loss ${(0.2 / Math.sqrt(step)).toFixed(4)}`);
      }
      return { result: ['lora', colorOf(inputs['seed']), total] };
    },
  },
  /** As ComfyUI's own, it writes a file and shows nothing: an output node without an output. */
  SaveLora: {
    required: { lora: ['LORA_MODEL'], prefix: ['STRING'] },
    optional: { steps: ['INT'] },
    returns: [],
    isOutput: true,
    run: () => ({ result: [] }),
  },
  LossGraphNode: {
    required: { loss: ['LOSS_MAP'], filename_prefix: ['STRING', { default: 'loss_graph' }] },
    returns: [],
    isOutput: true,
    run: ({ loss, filename_prefix }, { files }) => {
      const graph = { kind: 'image', width: 512, height: 256, color: number(loss) } as const;
      return { result: [], ui: { images: [files.save(graph, String(filename_prefix), 'temp')] } };
    },
  },
};
