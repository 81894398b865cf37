import { afterValue } from './json-text';

/** How a container is called, by its first bytes. Of each ComfyUI writes the workflow into its tags. */
const CONTAINERS: readonly (readonly [string, RegExp])[] = [
  ['FLAC', /^fLaC/],
  ['Ogg', /^OggS/],
  ['MP3', /^ID3/],
  ['WebM', /^\x1a\x45\xdf\xa3/],
  ['MP4', /^[^]{4}ftyp/],
];

/** The container that these bytes begin, if it is one that is known. */
export function containerOf(bytes: Uint8Array): string | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  return CONTAINERS.find(([, start]) => start.test(head))?.[0];
}

/** Between a tag's name and its value are a length, a type or a sign, in this many bytes at most. */
const BETWEEN = 80;
const MOST_TRIED = 64;

/**
 * The objects that follow the word `prompt` in the bytes of a tag, whichever way the container spells tags: Vorbis
 * comments, ID3, Matroska and MP4 all keep them as plain UTF-8.
 */
export function taggedTexts(bytes: Uint8Array): readonly string[] {
  // A character a byte, so that places in the text are places in the bytes.
  const text = new TextDecoder('latin1').decode(bytes);
  const places = [...text.matchAll(/prompt/gi)].flatMap(({ index }) =>
    [...text.slice(index, index + BETWEEN).matchAll(/\{/g)].map((brace) => index + brace.index),
  );
  // MP4 lists the names of its tags first, and their values apart from them.
  const values = [...text.matchAll(/data\0\0\0\x01[^]{4}\{/g)].map((match) => match.index + match[0].length - 1);
  return [...new Set([...places, ...values])]
    .slice(0, MOST_TRIED)
    .map((from) => new TextDecoder().decode(bytes.subarray(from, afterValue(text, from))))
    .filter((value) => value.includes('"class_type"'));
}
