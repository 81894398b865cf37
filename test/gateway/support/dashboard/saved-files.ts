import { crc32, deflateSync } from 'node:zlib';

/** Files as ComfyUI saves them, as far as their tags go: what is seen and heard in them is left out. */

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const u32le = (n: number): Buffer => u32(n).reverse();

/** A PNG with these chunks between its head and its end. */
export function png(...chunks: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const chunk = ([name, content]: readonly [string, Buffer]): Buffer => {
    const body = Buffer.concat([ascii(name), content]);
    return Buffer.concat([u32(content.length), body, u32(crc32(body))]);
  };
  const head = Buffer.concat([u32(1), u32(1), Buffer.from([8, 0, 0, 0, 0])]);
  const all = [
    ['IHDR', head],
    ...chunks,
    ['IDAT', deflateSync(Buffer.from([0, 0]))],
    ['IEND', Buffer.alloc(0)],
  ] as const;
  return Buffer.concat([Buffer.from([0x89]), ascii('PNG\r\n\x1a\n'), ...all.map(chunk)]);
}

export const textChunk = (keyword: string, text: string) => ['tEXt', ascii(`${keyword}\0${text}`)] as const;
export const compressedChunk = (keyword: string, text: string) =>
  ['zTXt', Buffer.concat([ascii(`${keyword}\0\0`), deflateSync(text)])] as const;
export const unicodeChunk = (keyword: string, text: string, isCompressed = false) => {
  const body = Buffer.from(text);
  const head = ascii(`${keyword}\0${isCompressed ? '\x01' : '\0'}\0en\0${keyword}\0`);
  return ['iTXt', Buffer.concat([head, isCompressed ? deflateSync(body) : body])] as const;
};

/** A block of EXIF whose first directory has these texts in tags meant for the camera, from `Model` downward as ComfyUI numbers them. */
export function exif(texts: readonly string[], order: 'II' | 'MM' = 'II'): Buffer {
  const little = order === 'II';
  const number = (n: number, size: 2 | 4): Buffer => {
    const bytes = size === 4 ? u32(n) : u32(n).subarray(2);
    return little ? Buffer.from(bytes).reverse() : bytes;
  };
  const values = texts.map((text) => Buffer.concat([Buffer.from(text), Buffer.alloc(1)]));
  const first = 8 + 2 + 12 * texts.length + 4;
  const entries = values.map((value, n) => {
    const at = values.slice(0, n).reduce((sum, { length }) => sum + length, first);
    return Buffer.concat([number(0x0110 - n, 2), number(2, 2), number(value.length, 4), number(at, 4)]);
  });
  return Buffer.concat([
    ascii(order),
    number(42, 2),
    number(8, 4),
    number(texts.length, 2),
    ...entries,
    number(0, 4),
    ...values,
  ]);
}

export function webp(block: Buffer): Buffer {
  const part = (name: string, content: Buffer): Buffer =>
    Buffer.concat([ascii(name), u32le(content.length), content, Buffer.alloc(content.length % 2)]);
  const body = Buffer.concat([
    ascii('WEBP'),
    part('VP8X', Buffer.alloc(10)),
    part('VP8 ', Buffer.alloc(7)),
    part('EXIF', block),
  ]);
  return Buffer.concat([ascii('RIFF'), u32le(body.length), body]);
}

export function jpeg(block: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(block.length + 8);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8, 0xff, 0xe1]),
    length,
    ascii('Exif\0\0'),
    block,
    Buffer.from([0xff, 0xda]),
  ]);
}

/** The same with Vorbis comments, as FLAC has them. */
export function flac(comments: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(comments).map(([name, text]) => Buffer.from(`${name}=${text}`));
  const body = Buffer.concat([
    u32le(4),
    ascii('Lavf'),
    u32le(entries.length),
    ...entries.flatMap((one) => [u32le(one.length), one]),
  ]);
  const head = u32(body.length);
  head[0] = 0x84;
  return Buffer.concat([ascii('fLaC'), u32(34), Buffer.alloc(34), head, body]);
}
