/** How long a node of a class takes before anything was measured, ms: `fixedMs`, and `stepMs` more for each step. */
export interface Prior {
  readonly fixedMs: number;
  readonly stepMs?: number;
  /** How many rounds of its steps it makes, for tiles say; 1 by default. */
  readonly rounds?: number;
  /** Whether its time says nothing of the server's speed: a download, another service, a text of any length. */
  readonly isApart?: boolean;
  /** Whether its time grows with the pixels; `fixedMs` is that of a megapixel. */
  readonly isByPixel?: boolean;
  /** Whether it takes longer for a video, which it works through frame by frame. */
  readonly isByFrame?: boolean;
  /** Whether the class has a model of its own, which the first of its nodes loads: a detector, say. */
  readonly loadsItself?: boolean;
  /** The share of `fixedMs` that goes into loading its model, if it uses one and makes no steps; a quarter by default. */
  readonly loading?: number;
}

/** Nodes that only hand a value on. */
const handsOn: Prior = { fixedMs: 8 };

/**
 * Orders of magnitude for ComfyUI's common classes on a present GPU, by the words of their names; the first match
 * counts. They need only be right relative to one another, and only until a run was measured.
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
  [/^init\b.*\btrain/, { fixedMs: 30_000 }],
  [/\btrain\b.*\bsave\b/, { fixedMs: 1_500 }],
  [/\btrain(?!ing ?(set|data))(?! ?data)/, { fixedMs: 5_000, stepMs: 500 }],
  [/training ?dataset|cache ?latents/, { fixedMs: 15_000 }],
  [
    /\b(wan|hunyuan|ltxv?|video|svd|cog|mochi|animate).*\bsampler|\bsampler.*\b(wan|video)/,
    { fixedMs: 5_000, stepMs: 5_000 },
  ],
  // A detailer makes a round for each face that it finds.
  [/detailer/, { fixedMs: 1_500, stepMs: 600, rounds: 2 }],
  [/(?<!up)sampler|\bsampl(e|ing)$|inpaint.*generate/, { fixedMs: 1_500, stepMs: 600 }],
  [/vae ?loader|lora ?loader|upscale ?model ?loader|clip ?vision ?loader|embedding/, { fixedMs: 600 }],
  [/^load ?(image|mask|audio|video)\b/, { fixedMs: 40 }],
  [/download/, { fixedMs: 3_500, isApart: true }],
  [/loader|\bload.*model|checkpoint/, { fixedMs: 3_500 }],
  // Nodes that ask another service for a video, or for a picture.
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
  [/vae ?decode.*3 ?d\b/, { fixedMs: 15_000 }],
  [/vae ?decode.*(tiled|video)|\b(video|cog|supir).*decode/, { fixedMs: 6_000, isByFrame: true }],
  [/vae ?decode/, { fixedMs: 1_600, isByFrame: true, loading: 0.4 }],
  [/^wan\b.*(to video|encode)/, { fixedMs: 5_000 }],
  [/(vae|supir) ?encode/, { fixedMs: 1_000 }],
  [/text ?encode|conditioning(?! ?(zero|set|combine))/, { fixedMs: 800, loading: 0.8 }],
  [/\btts\d?\b|text to speech|vibe ?voice|chatterbox/, { fixedMs: 12_000, isApart: true }],
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
    { fixedMs: 1_200, loadsItself: true, loading: 0.5 },
  ],
];
/** Nodes that only change pixels or numbers, without a model, and make no video. */
const light: Prior = { fixedMs: 30, isByPixel: true };
const isLight = /^(?!.*\bvideo).*(latent|image|mask|conditioning)/;

/** How many times longer a step takes with a model, by the name of its loader or its file. */
const byModel: readonly (readonly [RegExp, number])[] = [
  [/wan|hunyuan|ltx|cogvideo|mochi|animatediff|svd|video/i, 3.75],
  [/flux|qwen|hidream|chroma|sd3|auraflow|z.?image/i, 3],
  [/unet ?loader|diffusion ?model/i, 2.7],
];

export const heftOf = (name: string): number => byModel.find(([pattern]) => pattern.test(name))?.[1] ?? 1;

/** The prior of an unknown class. */
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

/** The prior of a class; `hasModel`: the node has an input `model`. */
export function priorOf(type: string, hasModel = false): Prior {
  const words = wordsOf(type);
  const known = byClass.find(([name]) => name.test(words))?.[1];
  return known ?? (isLight.test(words) && !hasModel ? light : unknown);
}

/**
 * Whether a class makes the steps that its inputs declare: a scheduler only hands them on; an unknown class may make
 * them.
 */
export const takesSteps = (prior: Prior): boolean => prior === unknown || prior.stepMs !== undefined;
