import { filetypeinfo } from 'magic-bytes.js';
import { Problem } from '../../wire/problem';

/** Extensions of files, by the family of their content. */
const families = {
  image: ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tif', 'tiff', 'avif', 'heic'],
  // Sound and video share containers, and so their magic bytes.
  sound: ['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'aac', 'mp4', 'webm', 'mov', 'mkv', 'avi'],
} as const;
type Family = keyof typeof families;

export const mediaExtensions: readonly string[] = Object.values(families).flat();

/** All magic bytes stand within the first 64 bytes. */
const HEAD_BYTES = 64;

/**
 * Passes the chunks on if the first 64 bytes are of the family that the file's extension names; else throws a
 * `Problem`.
 */
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
