/** A text chunk of a PNG. */
export interface PngText {
  readonly keyword: string;
  readonly bytes: Uint8Array;
  readonly encoding: 'latin1' | 'utf-8';
  readonly compressed: boolean;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, n) => bytes[n] === byte);

/**
 * The texts of a PNG's tEXt, zTXt and iTXt chunks, before and after the pixels. A chunk that is cut off is left out.
 */
export function pngTexts(bytes: Uint8Array): readonly PngText[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: PngText[] = [];
  for (let at = SIGNATURE.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const chunk = bytes.subarray(at + 8, at + 8 + length);
    at += 12 + length;
    if (chunk.length < length) break;
    const text = textOf(name, chunk);
    if (text) texts.push(text);
  }
  return texts;
}

function textOf(name: string, chunk: Uint8Array): PngText | undefined {
  const end = chunk.indexOf(0);
  if (end < 0) return undefined;
  const keyword = String.fromCharCode(...chunk.subarray(0, Math.min(end, 79)));
  const rest = chunk.subarray(end + 1);
  if (name === 'tEXt') return { keyword, bytes: rest, encoding: 'latin1', compressed: false };
  // The first byte is the method of compression, always zlib.
  if (name === 'zTXt') return { keyword, bytes: rest.subarray(1), encoding: 'latin1', compressed: true };
  if (name !== 'iTXt') return undefined;
  const afterLanguage = rest.indexOf(0, 2) + 1;
  const afterTranslation = rest.indexOf(0, afterLanguage) + 1;
  if (afterLanguage === 0 || afterTranslation === 0) return undefined;
  return { keyword, bytes: rest.subarray(afterTranslation), encoding: 'utf-8', compressed: rest[0] === 1 };
}
