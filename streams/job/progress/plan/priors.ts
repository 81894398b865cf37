/** What a node of a class takes where nothing was measured yet, in ms; for nodes that step, `stepMs` on top of it for each step. */
export interface Prior {
  readonly fixedMs: number;
  readonly stepMs?: number;
  /** How often it counts from the start: tiles. */
  readonly rounds?: number;
}

/**
 * Orders of magnitude for ComfyUI's common classes on one present GPU, first match first. They only have to be right
 * relative to one another, and only until a run was measured.
 */
const byClass: readonly (readonly [RegExp, Prior])[] = [
  // What only hands something on.
  [
    /^(empty|primitive|reroute|string|text ?multiline|int|float|boolean|seed|randomnoise|basicguider|cfgguider)|select$|scheduler|sigmas|guidance|switch|constant|concat|math|note|^set|^get/i,
    { fixedMs: 8 },
  ],
  [/ultimatesdupscale|tiled? ?(sampl|diffusion|upscale)|sdupscale/i, { fixedMs: 1_000, stepMs: 400, rounds: 16 }],
  [/train(?!ing ?(set|data))(?!data)/i, { fixedMs: 5_000, stepMs: 500 }],
  [/trainingdataset|cachelatents/i, { fixedMs: 15_000 }],
  [
    /(wan|hunyuan|ltx|video|svd|cogvideo|mochi|animate).*sampler|sampler.*(wan|video)/i,
    { fixedMs: 5_000, stepMs: 5_000 },
  ],
  [/sampler|detailer|inpaint.*generate/i, { fixedMs: 1_500, stepMs: 900 }],
  [/vae ?loader|loraloader|upscalemodelloader|clipvisionloader|embedding/i, { fixedMs: 600 }],
  [/^load ?(image|mask|audio|video)/i, { fixedMs: 40 }],
  [/loader|load.*model|checkpoint/i, { fixedMs: 3_500 }],
  [/vae ?decode.*(tiled|video)/i, { fixedMs: 6_000 }],
  [/vae ?decode/i, { fixedMs: 1_600 }],
  [/vae ?encode/i, { fixedMs: 1_000 }],
  [/text ?encode|conditioning(?!zero|set|combine)/i, { fixedMs: 800 }],
  [/generate|llm|caption|florence|joycaption|qwen|ollama/i, { fixedMs: 5_000 }],
  [/upscale.*model|interpolat|rife|film/i, { fixedMs: 4_000 }],
  [/swap|reactor|restore|instantid|pulid|ipadapter/i, { fixedMs: 3_000 }],
  [/video ?combine|save ?(video|webm|animated)/i, { fixedMs: 3_000 }],
  [/save|preview|show|display|output/i, { fixedMs: 25 }],
  [/detect|segment|sam|depth|pose|canny|preprocessor|matting|rembg|remove.*background/i, { fixedMs: 1_200 }],
  [/latent|image|mask|conditioning/i, { fixedMs: 8 }],
];

/** How much longer the step of a model takes, by the names of its loader and its file. */
const byModel: readonly (readonly [RegExp, number])[] = [
  [/wan|hunyuan|ltx|cogvideo|mochi|animatediff|svd|video/i, 2.5],
  [/flux|qwen|hidream|chroma|sd3|auraflow|z.?image/i, 2],
  [/unet ?loader|diffusion ?model/i, 1.8],
];

export const heftOf = (name: string): number => byModel.find(([pattern]) => pattern.test(name))?.[1] ?? 1;

/** Of a class that nobody knows. */
export const unknown: Prior = { fixedMs: 800 };

/** The prior of a class. */
export const priorOf = (type: string): Prior => byClass.find(([name]) => name.test(type))?.[1] ?? unknown;

/** Whether a class consumes the steps that its inputs declare: a scheduler only hands them on. Of a class nobody knows, it may. */
export const takesSteps = (prior: Prior): boolean => prior === unknown || prior.stepMs !== undefined;
