/** The requests to a pod that are not about jobs. */
export interface Pod {
  /** Without credentials. */
  readonly url: string;
  /** The response to a GET, whatever its status. Rejects if there is none. */
  readonly ask: (path: string, signal: AbortSignal) => Promise<Response>;
  /** The JSON at a path. Rejects if it does not come within `timeoutMs`, or with a status that is no 2xx. */
  readonly get: (path: string, timeoutMs: number) => Promise<unknown>;
}

/** What a ComfyUI has in its folders of models, by name. */
export interface Models {
  checkpoints: string[];
  loras: string[];
  vaes: string[];
  diffusion: string[];
  textEncoders: string[];
}

/** How long `/object_info` may take, ms: it has some MB. */
const MODELS_MS = 30_000;

/** A server's URL without a login, as it is shown and stored. A password may have an `@` in it. */
export const withoutLogin = (url: string | undefined): string => url?.replace(/^(https?:\/\/)[^/?#]*@/i, '$1') ?? '';

/** Percent-decodes a part of a login. Throws a `TypeError` that says where the login is, and does not quote it. */
export function decodedLogin(text: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(`a login in ${where} must be percent-encoded: % is %25`);
  }
}

/** The ComfyUI at that URL, which may hold a login. */
export function podOf(baseUrl: string): Pod {
  const { username, password } = URL.canParse(baseUrl) ? new URL(baseUrl) : { username: '', password: '' };
  const url = withoutLogin(baseUrl);
  const login = `${decodedLogin(username, 'baseUrl')}:${decodedLogin(password, 'baseUrl')}`;
  const headers = login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  // `fetch` refuses a URL with a login in it: that goes into a header.
  const ask: Pod['ask'] = (path, signal) => fetch(`${url}${path}`, { method: 'GET', headers, signal });
  return {
    url,
    ask,
    get: async (path, timeoutMs) => {
      const answer = await ask(path, AbortSignal.timeout(timeoutMs));
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
      return answer.json();
    },
  };
}

/** The files that the loaders offer; none for a loader that the server lacks. Rejects if it does not answer. */
export async function modelsOf(pod: Pod): Promise<Models> {
  const info = await pod.get('/object_info', MODELS_MS);
  return {
    checkpoints: namesIn(info, 'CheckpointLoaderSimple', 'ckpt_name'),
    loras: namesIn(info, 'LoraLoader', 'lora_name'),
    vaes: namesIn(info, 'VAELoader', 'vae_name'),
    diffusion: namesIn(info, 'UNETLoader', 'unet_name'),
    textEncoders: namesIn(info, 'CLIPLoader', 'clip_name'),
  };
}

/**
 * The names that an input of a loader takes: the list that comes first, or, on newer servers, the `options` of a
 * `COMBO`.
 */
function namesIn(info: unknown, loader: string, input: string): string[] {
  const given = at(at(at(at(info, loader), 'input'), 'required'), input);
  const list = Array.isArray(given) ? [given[0] as unknown, at(given[1], 'options')].find(Array.isArray) : undefined;
  return (list ?? []).filter((name): name is string => typeof name === 'string');
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;

/** A `baseUrl` without its last slash. Throws a `TypeError` if it is no text, such as a setting that is unset. */
export function withoutSlash(baseUrl: unknown): string {
  if (typeof baseUrl !== 'string') throw new TypeError('baseUrl must be the URL of a ComfyUI: http://127.0.0.1:8188');
  return baseUrl.replace(/\/+$/, '');
}
