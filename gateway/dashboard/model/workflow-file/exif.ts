/** The EXIF block of a WebP or JPEG, from its TIFF header on; `undefined` if there is none. */
export function exifOf(bytes: Uint8Array): Uint8Array | undefined {
  const block = isWebp(bytes) ? webpExif(bytes) : isJpeg(bytes) ? jpegExif(bytes) : undefined;
  return block && ascii(block, 0, 6) === 'Exif\0\0' ? block.subarray(6) : block;
}

export const isWebp = (bytes: Uint8Array): boolean => ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP';
export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;

const ASCII = 2;

/**
 * The texts of an EXIF block's first directory. ComfyUI writes `prompt:{…}` and `workflow:{…}` into tags for the
 * camera.
 */
export function exifTexts(tiff: Uint8Array): readonly string[] {
  const order = ascii(tiff, 0, 2);
  if ((order !== 'II' && order !== 'MM') || tiff.length < 8) return [];
  const little = order === 'II';
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return [];
  const texts: string[] = [];
  for (let n = 0; n < view.getUint16(directory, little); n += 1) {
    const entry = directory + 2 + 12 * n;
    if (entry + 12 > tiff.length) break;
    const length = view.getUint32(entry + 4, little);
    if (view.getUint16(entry + 2, little) !== ASCII) continue;
    const from = length <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    const text = tiff.subarray(from, from + length);
    texts.push(new TextDecoder().decode(text).replace(/\0+$/, ''));
  }
  return texts;
}

function webpExif(bytes: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    if (ascii(bytes, at, at + 4) === 'EXIF') return bytes.subarray(at + 8, at + 8 + length);
    at += 8 + length + (length % 2);
  }
  return undefined;
}

function jpegExif(bytes: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    const length = view.getUint16(at + 2);
    // The pixels begin: no segments follow.
    if (marker === 0xda || length < 2) return undefined;
    if (marker === 0xe1 && ascii(bytes, at + 4, at + 10) === 'Exif\0\0') return bytes.subarray(at + 4, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
