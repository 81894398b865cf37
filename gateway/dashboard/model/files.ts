import { isFile, type FileOutput, type JobOutput } from '../../../streams/job/job-state';

/** What a browser can do with an output. */
export type FileKind = 'image' | 'video' | 'audio' | 'file';

const KINDS: readonly (readonly [FileKind, RegExp])[] = [
  ['image', /\.(png|jpe?g|webp|gif|avif|bmp)$/i],
  ['video', /\.(mp4|webm|mov|mkv)$/i],
  ['audio', /\.(mp3|wav|flac|ogg|opus|m4a)$/i],
];

export const kindOf = (filename: string): FileKind => KINDS.find(([, ending]) => ending.test(filename))?.[0] ?? 'file';

export const extensionOf = (filename: string): string => /\.([a-z0-9]{1,12})$/i.exec(filename)?.[1] ?? 'file';

/** The index of a job's first image; -1 if it has none. */
export const firstImage = (outputs: readonly JobOutput[] = []): number =>
  outputs.findIndex((output) => isFile(output) && !isReported(output) && kindOf(output.filename) === 'image');

/**
 * Whether the file is elsewhere: the program that made it reported its name or URL, and the gateway cannot serve it.
 */
export const isReported = ({ type }: FileOutput): boolean => type === 'reported';

/** The http(s) URL of a reported output; `undefined` if it has none. */
export function linkOf({ url = '' }: FileOutput): URL | undefined {
  const link = URL.canParse(url) ? new URL(url) : undefined;
  return link?.protocol === 'https:' || link?.protocol === 'http:' ? link : undefined;
}
