import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLeft } from 'fp-ts/Either';
import { readRecording, type Recorded } from '../../../scripts/recording/recording.codec';
import { readPython } from '../../../sources/codecs/python-json';
import { recordings as scenarios } from './recording';

export type Exchange = Extract<Recorded, { http: unknown }>['http'];

/** What a real server did in one scenario, read by our own codec. */
export interface Recording {
  /** `0.33.0/steps`. */
  readonly name: string;
  readonly version: string;
  readonly scenario: string;
  readonly file: string;
  readonly lines: readonly Recorded[];
}

/** Every recording there is. */
export const recordings: readonly Recording[] = scenarios.map(({ version, scenario }) => {
  const name = `${version}/${scenario}`;
  const file = join(__dirname, '../../recordings', `${name}.jsonl`);
  const lines = readRecording(readFileSync(file, 'utf8'));
  if (isLeft(lines)) throw new Error(`${name}: ${lines.left.message}`);
  return { name, version, scenario, file, lines: lines.right };
});

/** One recording. */
export function recordingOf(version: string, scenario: string): Recording {
  const found = recordings.find((recording) => recording.version === version && recording.scenario === scenario);
  if (found === undefined) throw new Error(`there is no recording ${version}/${scenario}`);
  return found;
}

/** What its sockets said, text as text and binary as bytes. */
export const framesOf = ({ lines }: Recording): readonly (string | Buffer)[] =>
  lines.flatMap((line): (string | Buffer)[] =>
    'text' in line ? [line.text] : 'binary' in line ? [Buffer.from(line.binary, 'base64')] : [],
  );

/** Its requests and their answers. */
export const exchangesOf = ({ lines }: Recording): readonly Exchange[] =>
  lines.flatMap((line) => ('http' in line ? [{ ...line.http, response: read(line.http.response) }] : []));

/** A recording keeps as text what JSON cannot hold. */
function read(response: unknown): unknown {
  return typeof response === 'string' && /^[{[]/.test(response) ? readPython(response) : response;
}
