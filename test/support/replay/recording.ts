import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ComfyUIVersion } from '../comfyui/versions';

/** One line of a recording: something a socket got, something that happened to it, or one HTTP exchange. */
export type RecordedEvent =
  | { readonly t: number; readonly ws: string; readonly text: string }
  | { readonly t: number; readonly ws: string; readonly binary: string }
  | { readonly t: number; readonly ws: string; readonly event: 'open'; readonly clientId: string }
  | { readonly t: number; readonly ws: string; readonly event: 'close'; readonly code: number }
  | { readonly t: number; readonly http: RecordedExchange };

export interface RecordedExchange {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly response?: unknown;
  /** Where there was no answer, why. */
  readonly error?: string;
}

const directory = join(__dirname, '../../recordings');

/** Every recording there is. */
export const recordings: readonly { readonly version: ComfyUIVersion; readonly scenario: string }[] = (
  ['0.3.30', '0.33.0'] as const
).flatMap((version) =>
  readdirSync(join(directory, version)).map((file) => ({ version, scenario: file.replace('.jsonl', '') })),
);

/** What a real server of that version did in that scenario. */
export function readRecording(version: ComfyUIVersion, scenario: string): RecordedEvent[] {
  const lines = readFileSync(join(directory, version, `${scenario}.jsonl`), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedEvent);
}
