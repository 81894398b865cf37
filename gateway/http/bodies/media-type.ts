import { filetypeinfo } from 'magic-bytes.js';
import { Problem } from '../../wire/problem';

/** By what files are called, and what they then hold. */
const families = {
  image: ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tif', 'tiff', 'avif', 'heic'],
  // Containers of both carry the same marks.
  sound: ['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'aac', 'mp4', 'webm', 'mov', 'mkv', 'avi'],
} as const;
type Family = keyof typeof families;

export const mediaExtensions: readonly string[] = Object.values(families).flat();

/** Marks stand within so many bytes. */
const HEAD_BYTES = 64;

/** The same chunks, once their first bytes show what the file's name promises; throws a `Problem` where they do not. */
export async function* asNamed(filename: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < HEAD_BYTES) continue;
    refuseOthers(filename, head);
    yield head;
    head = undefined;
  }
  if (head === undefined) return;
  refuseOthers(filename, head);
  yield head;
}

function refuseOthers(filename: string, head: Buffer): void {
  const promised = familyOf(filename.split('.').at(-1)?.toLowerCase() ?? '');
  const found = filetypeinfo(head.subarray(0, HEAD_BYTES)).map(({ mime }) => familyOfMime(mime));
  if (promised !== undefined && found.includes(promised)) return;
  const detail = 'The file must be an image, video or audio file, and begin as its name says.';
  throw new Problem('unsupported-media-type', { detail });
}

const familyOf = (extension: string): Family | undefined =>
  (Object.keys(families) as Family[]).find((family) => (families[family] as readonly string[]).includes(extension));

const familyOfMime = (mime = ''): Family | undefined => {
  if (mime.startsWith('image/')) return mime.includes('svg') ? undefined : 'image';
  return /^(audio|video)\/|^application\/ogg$/.test(mime) ? 'sound' : undefined;
};
