import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { interimAnswers } from '../../streams/operators/interim-answers';
import { storedCodec } from '../codecs/upload.codec';
import { NoAnswer } from '../rest/no-answer';
import type { ServerAddress } from '../server-address';

/** A file that a workflow is to read. */
export interface InputFile {
  readonly filename: string;
  /** Read once, as fast as the server takes it. If it throws, `upload` rejects with the same and nothing is stored. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Under ComfyUI's input folder; that folder itself where absent. */
  readonly subfolder?: string;
  /** Whether it replaces a file of the same name; if not, ComfyUI numbers it. */
  readonly overwrite?: boolean;
  /** The image in the input folder of which it is the mask: ComfyUI stores that image with the file's alpha channel. */
  readonly maskOf?: string;
}

/** Where ComfyUI stored the file. */
export interface StoredInput {
  /** As nodes such as `LoadImage` take it: with its subfolder. */
  readonly name: string;
  readonly subfolder: string;
}

/** ComfyUI refused the file, with this status. */
export class InputRefused extends Error {
  override readonly name = 'InputRefused';
  constructor(readonly status: number) {
    super(`the server refused the file with status ${status}`);
  }
}

export interface Uploads {
  /** Rejects with `InputRefused` or `NoAnswer`. */
  readonly upload: (file: InputFile) => Promise<StoredInput>;
  readonly close: () => Promise<void>;
}

/** Uploads to a server at a time: a few slow senders keep others waiting for theirs if it is small. */
const CONNECTIONS = 64;
/**
 * An upload fails when the server takes no byte for 30 s, the first included, for which it may wait its turn; or gives
 * no answer within 30 s after the last byte.
 */
const PATIENCE_MS = 30_000;

/** Uploads to one server, over connections of their own. */
export function uploads({ url, headers }: ServerAddress): Uploads {
  const agent = new Agent({ connect: { timeout: 5_000 }, connections: CONNECTIONS, maxResponseSize: 1 << 20 });
  return {
    upload: async (file) => {
      const boundary = `----jobstream${randomUUID()}`;
      const sending = watched(multipart(file, boundary));
      const answer = await request(`${url}${file.maskOf === undefined ? '/upload/image' : '/upload/mask'}`, {
        method: 'POST',
        dispatcher: agent,
        signal: sending.signal,
        onInfo: interimAnswers(),
        headers: { ...headers, 'content-type': `multipart/form-data; boundary=${boundary}` },
        body: Readable.from(sending.chunks, { objectMode: false }),
      })
        .then(async ({ statusCode, body }) => ({ status: statusCode, text: await body.text() }))
        .catch((error: unknown) => {
          throw sending.thrown() ?? new NoAnswer('/upload: not taken', true, { cause: error });
        })
        .finally(sending.end);
      return storedAs(answer.status, answer.text);
    },
    close: () => agent.destroy(),
  };
}

function storedAs(status: number, text: string): StoredInput {
  if (status >= 500 || status === 429) throw new NoAnswer(`/upload: status ${status}`, true);
  if (status !== 200) throw new InputRefused(status);
  const stored = jsonOf(text);
  if (!storedCodec.is(stored)) throw new NoAnswer('/upload: an answer that names no file', true);
  const { name, subfolder } = stored;
  return { name: subfolder === '' ? name : `${subfolder}/${name}`, subfolder };
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Passes the chunks on. `signal` aborts when the server takes no chunk for `PATIENCE_MS`; `thrown` is what the source
 * threw.
 */
function watched(chunks: AsyncIterable<Uint8Array>) {
  const abort = new AbortController();
  let thrown: Error | undefined;
  let patience: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(patience);
    patience = setTimeout(() => abort.abort(), PATIENCE_MS);
  };
  wait();
  async function* passed(): AsyncGenerator<Uint8Array> {
    try {
      clearTimeout(patience);
      for await (const chunk of chunks) {
        wait();
        yield chunk;
        clearTimeout(patience);
      }
      wait();
    } catch (error) {
      thrown = error instanceof Error ? error : new Error('the content could not be read', { cause: error });
      throw error;
    }
  }
  return { chunks: passed(), signal: abort.signal, thrown: () => thrown, end: () => clearTimeout(patience) };
}

/** The form as ComfyUI's own page sends it. */
async function* multipart({ filename, content, subfolder, overwrite, maskOf }: InputFile, boundary: string) {
  const fields = {
    type: 'input',
    subfolder: subfolder ?? '',
    overwrite: String(overwrite ?? false),
    ...(maskOf !== undefined && { original_ref: JSON.stringify(refOf(maskOf)) }),
  };
  for (const [name, value] of Object.entries(fields))
    yield Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  const head = `Content-Disposition: form-data; name="image"; filename="${quoted(filename)}"`;
  yield Buffer.from(`--${boundary}\r\n${head}\r\nContent-Type: application/octet-stream\r\n\r\n`);
  yield* content;
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

/** A file name as browsers escape it. */
const quoted = (filename: string): string =>
  filename.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

const refOf = (name: string) => {
  const slash = name.lastIndexOf('/');
  return { filename: name.slice(slash + 1), subfolder: name.slice(0, Math.max(slash, 0)), type: 'input' };
};
