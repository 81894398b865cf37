/** What a node of a class takes where nothing was measured yet, in ms; for nodes that step, `stepMs` on top of it for each step. */
export interface Prior {
  readonly fixedMs: number;
  readonly stepMs?: number;
  /** How often it counts from the start: tiles. */
  readonly rounds?: number;
  /** Whether its time says nothing of the server's speed: a download, another service, a text as long as it gets. */
  readonly isApart?: boolean;
  /** Whether it works on each pixel, and `fixedMs` is what a megapixel takes. */
  readonly isByPixel?: boolean;
  /** Whether it takes a video frame by frame. */
  readonly isByFrame?: boolean;
  /** Whether the class brings a model of its own, which the first of its nodes loads: a detector. */
  readonly loadsItself?: boolean;
}

/** What only hands something on. */
const handsOn: Prior = { fixedMs: 8 };

/**
 * Orders of magnitude for ComfyUI's common classes on one present GPU, by the words of their names, first match first. They
 * only have to be right relative to one another, and only until a run was measured.
 */
const byClass: readonly (readonly [RegExp, Prior])[] = [
  [
    /^(empty|primitive|reroute|string|text ?multiline|int|float|boolean|random noise|basic guider|cfg guider)\b/,
    handsOn,
  ],
  [/^seed\b(?! ?vr)|\bselect$|scheduler|sigmas|guidance|\bswitch\b|constant|concat|\bmath|\bnote\b/, handsOn],
  [
    /^set\b|^get\b(?! video)|^sampler\b(?! custom)|^model sampling|evolved sampling|^ade (apply|sample settings)/,
    handsOn,
  ],
  [/ultimate ?sd ?upscale|tiled ?(sampl|diffusion|upscale)|sd ?upscale/, { fixedMs: 1_000, stepMs: 400, rounds: 16 }],
  [/\btrain(?!ing ?(set|data))(?! ?data)/, { fixedMs: 5_000, stepMs: 500 }],
  [/training ?dataset|cache ?latents/, { fixedMs: 15_000 }],
  [
    /\b(wan|hunyuan|ltxv?|video|svd|cog|mochi|animate).*\bsampler|\bsampler.*\b(wan|video)/,
    { fixedMs: 5_000, stepMs: 5_000 },
  ],
  // Once for each face it finds.
  [/detailer/, { fixedMs: 1_500, stepMs: 900, rounds: 2 }],
  [/(?<!up)sampler|\bsampl(e|ing)$|inpaint.*generate/, { fixedMs: 1_500, stepMs: 900 }],
  [/vae ?loader|lora ?loader|upscale ?model ?loader|clip ?vision ?loader|embedding/, { fixedMs: 600 }],
  [/^load ?(image|mask|audio|video)\b/, { fixedMs: 40 }],
  [/download/, { fixedMs: 3_500, isApart: true }],
  [/loader|\bload.*model|checkpoint/, { fixedMs: 3_500 }],
  // Services that are asked for a picture, or for a video.
  [
    /^(kling|runway|veo|luma|minimax|hailuo|pika|pixverse|vidu|sora|moonvalley)|^(open ?ai|gemini|seedance).*video/,
    { fixedMs: 60_000, isApart: true },
  ],
  [
    /^(ideogram|recraft|open ?ai|dall ?e|gpt|gemini|stability|flux ?pro|flux kontext pro|seedream|tripo|rodin)|open ?ai$/,
    { fixedMs: 15_000, isApart: true },
  ],
  [/^seed ?vr|video.*(upscal|inpaint)|upscal.*video|latent ?sync/, { fixedMs: 30_000 }],
  [/^(hy ?3 ?d|hunyuan ?3 ?d|trellis|tripo ?sr)|\bmesh/, { fixedMs: 8_000 }],
  [/vae ?decode.*(tiled|video)|\b(video|cog|supir).*decode/, { fixedMs: 6_000 }],
  [/vae ?decode/, { fixedMs: 1_600, isByFrame: true }],
  [/^wan\b.*(to video|encode)/, { fixedMs: 5_000 }],
  [/(vae|supir) ?encode/, { fixedMs: 1_000 }],
  [/text ?encode|conditioning(?! ?(zero|set|combine))/, { fixedMs: 800 }],
  [/\bllm|caption|ollama|text generat/, { fixedMs: 5_000, isApart: true }],
  [/generat|florence|qwen/, { fixedMs: 5_000 }],
  [/upscale.*model|interpolat|rife|film|\bvfi\b/, { fixedMs: 4_000 }],
  [/swap|reactor|restore|instant ?id|pulid|ip ?adapter/, { fixedMs: 3_000 }],
  [/video ?combine|save ?(video|webm|animated)/, { fixedMs: 3_000 }],
  [/^save.*image|^image save/, { fixedMs: 250, isByPixel: true }],
  [/preview.*image/, { fixedMs: 70, isByPixel: true }],
  [/save|preview|show|display|output/, { fixedMs: 25 }],
  [
    /detect|segment|\bsam\d*\b|depth|pose|canny|preprocessor|matting|rembg|rmbg|bi ?ref ?net|remove.*background/,
    { fixedMs: 1_200, loadsItself: true },
  ],
];
/** What only changes pixels or numbers, where it neither has a model nor makes a video. */
const light: Prior = { fixedMs: 30, isByPixel: true };
const isLight = /^(?!.*\bvideo).*(latent|image|mask|conditioning)/;

/** How much longer the step of a model takes, by the names of its loader and its file. */
const byModel: readonly (readonly [RegExp, number])[] = [
  [/wan|hunyuan|ltx|cogvideo|mochi|animatediff|svd|video/i, 2.5],
  [/flux|qwen|hidream|chroma|sd3|auraflow|z.?image/i, 2],
  [/unet ?loader|diffusion ?model/i, 1.8],
];

export const heftOf = (name: string): number => byModel.find(([pattern]) => pattern.test(name))?.[1] ?? 1;

/** Of a class that nobody knows. */
export const unknown: Prior = { fixedMs: 800 };

/** The words of a class's name: `KSamplerAdvanced` is `k sampler advanced`. */
export const wordsOf = (type: string): string =>
  type
    .replace(/LoRA/g, 'Lora')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .replace(/[^A-Za-z0-9]+/g, ' ')
    .trim()
    .toLowerCase();

/** The prior of a class; `hasModel` where a model is an input of it. */
export function priorOf(type: string, hasModel = false): Prior {
  const words = wordsOf(type);
  const known = byClass.find(([name]) => name.test(words))?.[1];
  return known ?? (isLight.test(words) && !hasModel ? light : unknown);
}

/** Whether a class consumes the steps that its inputs declare: a scheduler only hands them on. Of a class nobody knows, it may. */
export const takesSteps = (prior: Prior): boolean => prior === unknown || prior.stepMs !== undefined;
