import { exifOf, exifTexts, isJpeg, isWebp } from './exif';
import { containerOf, taggedTexts } from './media';
import { isPng, pngTexts, type PngText } from './png';
import { readWorkflow, unfit, type Reading } from './workflow-text';

/** ComfyUI takes 100 MiB at most. */
const MOST_BYTES = 100 * 2 ** 20;
/** Tags stand at the beginning or the end of a video or audio file: only those parts are read. */
const TAGS_BYTES = 16 * 2 ** 20;
const MOST_INFLATED = 64 * 2 ** 20;

/** Reads a workflow from a JSON file, or from an image, video or audio file that ComfyUI saved. Never rejects. */
export async function readFile(file: Blob): Promise<Reading> {
  try {
    return await reading(file);
  } catch {
    return unfit('The browser could not read this file: it was moved or changed meanwhile, or may not be read.');
  }
}

async function reading(file: Blob): Promise<Reading> {
  const head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const container = containerOf(head);
  if (container !== undefined) return ofTexts(taggedTexts(await ends(file)), `${container} file`);
  if (file.size > MOST_BYTES) return unfit(`This file has ${mib(file.size)} MiB; ComfyUI takes workflows of 100 MiB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (isPng(head)) return ofPng(pngTexts(bytes));
  if (isWebp(head) || isJpeg(head)) {
    const labelled = exifTexts(exifOf(bytes) ?? new Uint8Array());
    return ofTexts(
      promptsIn(labelled),
      'picture',
      labelled.some((text) => text.startsWith('workflow:')),
    );
  }
  const utf16 = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  return readWorkflow(new TextDecoder(utf16 ? (head[0] === 0xff ? 'utf-16le' : 'utf-16be') : 'utf-8').decode(bytes));
}

const promptsIn = (labelled: readonly string[]): readonly string[] =>
  labelled.filter((text) => /^prompt:/i.test(text)).map((text) => text.slice('prompt:'.length));

async function ofPng(texts: readonly PngText[]): Promise<Reading> {
  const prompts = texts.filter(({ keyword }) => keyword === 'prompt');
  const hasEditors = texts.some(({ keyword }) => keyword === 'workflow');
  return ofTexts(await Promise.all(prompts.map(decoded)), 'picture', hasEditors);
}

/** The first text that is a workflow; else why none is. */
function ofTexts(texts: readonly string[], what: string, hasEditors = false): Reading {
  const readings = texts.map(readWorkflow);
  const fit = readings.find(({ tag }) => tag === 'workflow');
  if (fit) return fit;
  const [first] = readings;
  if (first?.tag === 'unfit') return unfit(`This ${what} carries something else than a workflow. ${first.why}`);
  return unfit(
    hasEditors
      ? `This ${what} carries the workflow in the format of ComfyUI’s editor only. Drop it on ComfyUI, and choose Workflow → Export (API) there.`
      : `This ${what} carries no workflow. ComfyUI writes it into what it saves, unless it runs with --disable-metadata; editors and messengers take it out.`,
  );
}

/** The text of a chunk; a compressed one up to `MOST_INFLATED` characters. */
async function decoded({ bytes, encoding, compressed }: PngText): Promise<string> {
  if (!compressed) return new TextDecoder(encoding).decode(bytes);
  const inflated = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream('deflate'));
  const decoder = new TextDecoder(encoding);
  const reader = inflated.getReader();
  let text = '';
  for (let chunk = await reader.read(); !chunk.done && text.length <= MOST_INFLATED; chunk = await reader.read()) {
    text += decoder.decode(chunk.value, { stream: true });
  }
  await reader.cancel();
  return text;
}

/** The whole file if it has up to 32 MiB; else its first and last 16 MiB, joined. */
async function ends(file: Blob): Promise<Uint8Array> {
  const parts = file.size <= 2 * TAGS_BYTES ? [file] : [file.slice(0, TAGS_BYTES), file.slice(file.size - TAGS_BYTES)];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const mib = (bytes: number): string => Math.ceil(bytes / 2 ** 20).toLocaleString('en');
