import { isFile, type JobOutput } from '../../../streams/job/job-state';

/** What a browser can do with an output. */
export type FileKind = 'image' | 'video' | 'audio' | 'file';

const KINDS: readonly (readonly [FileKind, RegExp])[] = [
  ['image', /\.(png|jpe?g|webp|gif|avif|bmp)$/i],
  ['video', /\.(mp4|webm|mov|mkv)$/i],
  ['audio', /\.(mp3|wav|flac|ogg|opus|m4a)$/i],
];

export const kindOf = (filename: string): FileKind => KINDS.find(([, ending]) => ending.test(filename))?.[0] ?? 'file';

export const extensionOf = (filename: string): string => /\.([a-z0-9]{1,12})$/i.exec(filename)?.[1] ?? 'file';

/** Which of a job's outputs is its first picture; -1 where it has none. */
export const firstImage = (outputs: readonly JobOutput[] = []): number =>
  outputs.findIndex((output) => isFile(output) && kindOf(output.filename) === 'image');
