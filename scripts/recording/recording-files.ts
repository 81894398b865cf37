import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isLeft } from 'fp-ts/Either';
import { readRecording, type Recorded } from './recording.codec';

/** The files named, and all recordings in the folders named. */
export const recordingsIn = (paths: readonly string[]): readonly string[] =>
  paths.flatMap((path) => {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) throw new Error(`${path}: no such file or directory`);
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .map((name) => join(path, name));
  });

/** Throws an error that names the file. */
export function recordingAt(file: string): readonly Recorded[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  const recorded = readRecording(text);
  if (isLeft(recorded)) throw new Error(`${file}: ${recorded.left.message}`);
  return recorded.right;
}
