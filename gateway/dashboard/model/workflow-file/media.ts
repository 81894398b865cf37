import { afterValue } from './json-members';

/** Containers by their first bytes. ComfyUI writes the workflow into the tags of each. */
const CONTAINERS: readonly (readonly [string, RegExp])[] = [
  ['FLAC', /^fLaC/],
  ['Ogg', /^OggS/],
  ['MP3', /^ID3/],
  ['WebM', /^\x1a\x45\xdf\xa3/],
  ['MP4', /^[^]{4}ftyp/],
];

/** The container's name; `undefined` if the bytes begin none that is known. */
export function containerOf(bytes: Uint8Array): string | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  return CONTAINERS.find(([, start]) => start.test(head))?.[0];
}

/** Between a tag's name and its value stand a length, a type or a sign: at most 80 bytes. */
const BETWEEN = 80;
const MOST_TRIED = 64;

/**
 * The JSON objects that follow the word `prompt`, and look like workflows. Tags are not parsed: Vorbis comments, ID3,
 * Matroska and MP4 all hold plain UTF-8.
 */
export function taggedTexts(bytes: Uint8Array): readonly string[] {
  // latin1 makes one character of each byte, so that places in the text are places in the bytes.
  const text = new TextDecoder('latin1').decode(bytes);
  const places = [...text.matchAll(/prompt/gi)].flatMap(({ index }) =>
    [...text.slice(index, index + BETWEEN).matchAll(/\{/g)].map((brace) => index + brace.index),
  );
  // MP4 lists all names of tags first, and the values after them.
  const values = [...text.matchAll(/data\0\0\0\x01[^]{4}\{/g)].map((match) => match.index + match[0].length - 1);
  return [...new Set([...places, ...values])]
    .slice(0, MOST_TRIED)
    .map((from) => new TextDecoder().decode(bytes.subarray(from, afterValue(text, from))))
    .filter((value) => value.includes('"class_type"'));
}
