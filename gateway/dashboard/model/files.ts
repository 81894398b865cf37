/** What a browser can do with an output. */
export type FileKind = 'image' | 'video' | 'audio' | 'file';

const KINDS: readonly (readonly [FileKind, RegExp])[] = [
  ['image', /\.(png|jpe?g|webp|gif|avif|bmp)$/i],
  ['video', /\.(mp4|webm|mov)$/i],
  ['audio', /\.(mp3|wav|flac|ogg|opus)$/i],
];

export const kindOf = (filename: string): FileKind => KINDS.find(([, ending]) => ending.test(filename))?.[0] ?? 'file';

export const extensionOf = (filename: string): string => /\.([a-z0-9]{1,12})$/i.exec(filename)?.[1] ?? 'file';
