/** A small workflow, as ComfyUI exports it. */
const workflow = {
  '4': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'sdxl.safetensors' } },
  '5': { class_type: 'EmptyLatentImage', inputs: { width: 1024, height: 1024, batch_size: 1 } },
  '6': { class_type: 'CLIPTextEncode', inputs: { text: 'a lighthouse', clip: ['4', 1] } },
  '3': {
    class_type: 'KSampler',
    inputs: { seed: 42, steps: 20, model: ['4', 0], positive: ['6', 0], negative: ['6', 0], latent_image: ['5', 0] },
    _meta: { title: 'Sampler' },
  },
  '8': { class_type: 'VAEDecode', inputs: { samples: ['3', 0], vae: ['4', 2] } },
  '9': { class_type: 'SaveImage', inputs: { images: ['8', 0], filename_prefix: 'lighthouse' } },
};

/** Examples of bodies and answers in the document. */
export const examples = {
  submit: { type: 'image_generation', userId: 'ada', workflow, metadata: { order: 7 } },
  track: { type: 'lora_training', userId: 'ada' },
  report: {
    count: 620,
    value: 620,
    max: 1500,
    stage: 'training',
    message: 'epoch 5 of 12',
    metrics: { loss: 0.0831, lr: 0.0001 },
  },
  job: {
    promptId: '6b3d5a2e-0d6c-4c55-9a55-8d0e3c1f2a10',
    type: 'image_generation',
    userId: 'ada',
    status: 'processing',
    progress: 41.5,
    phase: 'running',
    node: { id: '3', type: 'KSampler', title: 'Sampler', value: 9, max: 20 },
    startedAt: 1795563314000,
    updatedAt: 1795563321000,
    via: 'websocket',
    server: 'server-1',
    attempt: 1,
    epoch: 1795563314000,
    seq: 12,
    metadata: { order: 7 },
  },
  input: { name: 'lighthouse.png', subfolder: '', type: 'input', server: 'server-1' },
} as const;
