/** What a pod is asked for besides its jobs. */
export interface Pod {
  /** Without credentials. */
  readonly url: string;
  /** The JSON at a path. Rejects where there is none in time. */
  readonly get: (path: string, timeoutMs: number) => Promise<unknown>;
}

export interface Models {
  checkpoints: string[];
  loras: string[];
  vaes: string[];
  diffusion: string[];
  textEncoders: string[];
}

/** What is asked about models may be long. */
const MODELS_MS = 30_000;

/** The ComfyUI at that URL, which may hold a login. */
export function podOf(baseUrl: string): Pod {
  const { username, password } = URL.canParse(baseUrl) ? new URL(baseUrl) : { username: '', password: '' };
  const url = baseUrl.replace(/^(https?:\/\/)[^/@]*@/, '$1');
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  return {
    url,
    get: async (path, timeoutMs) => {
      const answer = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(timeoutMs) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
      return answer.json();
    },
  };
}

/** Which files its loaders offer. A loader that it does not have offers none; rejects where it does not answer. */
export async function modelsOf(pod: Pod): Promise<Models> {
  const offered = async (loader: string, input: string): Promise<string[]> =>
    namesIn(await pod.get(`/object_info/${loader}`, MODELS_MS), loader, input);
  const orNone = (loader: string, input: string): Promise<string[]> => offered(loader, input).catch(() => []);
  const checkpoints = await offered('CheckpointLoaderSimple', 'ckpt_name');
  const [loras, vaes, diffusion, textEncoders] = await Promise.all([
    orNone('LoraLoader', 'lora_name'),
    orNone('VAELoader', 'vae_name'),
    orNone('UNETLoader', 'unet_name'),
    orNone('CLIPLoader', 'clip_name'),
  ]);
  return { checkpoints, loras, vaes, diffusion, textEncoders };
}

/** A list of names stands in the first place, or, as newer servers have it, among the options of a `COMBO`. */
function namesIn(info: unknown, loader: string, input: string): string[] {
  const given = at(at(at(at(info, loader), 'input'), 'required'), input);
  const list = Array.isArray(given) ? [given[0] as unknown, at(given[1], 'options')].find(Array.isArray) : undefined;
  return (list ?? []).filter((name): name is string => typeof name === 'string');
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
