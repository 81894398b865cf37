import { isLeft, isRight } from 'fp-ts/Either';
import { readRecording } from '../../../../scripts/recording/recording.codec';
import { recordings } from '../../../support/replay/recordings';

const complaint = (jsonl: string): string => {
  const read = readRecording(jsonl);
  if (isRight(read)) throw new Error('it was read');
  return read.left.message;
};

test('every recording is read, whole', () => {
  expect(recordings).toHaveLength(52);
  for (const { lines } of recordings) expect(lines.length).toBeGreaterThan(0);
});

test.each([
  { t: 0, ws: 'a', event: 'open', clientId: 'c' },
  { t: 1, ws: 'a', text: '{"type": "status"}' },
  { t: 2, ws: 'a', binary: 'AAAA' },
  { t: 3, ws: 'a', event: 'close', code: 1006 },
  { t: 3.5, ws: 'a', event: 'close' },
  { t: 4, ws: 'a', event: 'error' },
  { t: 5, http: { method: 'GET', path: '/queue', status: 200, response: {} } },
  { t: 6, http: { method: 'GET', path: '/queue', error: 'refused' } },
])('a line may be %j', (line) => {
  expect(readRecording(JSON.stringify(line))).toEqual({ _tag: 'Right', right: [line] });
});

test('empty lines are no lines', () => {
  const read = readRecording('\n{"t": 0, "ws": "a", "text": ""}\n\n  \n');
  expect(isRight(read) && read.right).toHaveLength(1);
  expect(readRecording('')).toEqual({ _tag: 'Right', right: [] });
});

test.each([
  ['{', 'line 1: '],
  ['{"t": 0, "ws": "a", "text": ""}\nnot JSON', 'line 2: '],
  ['\n\n[]', 'line 3: no `t`'],
  ['null', 'line 1: no `t`'],
  ['{"t": "0", "ws": "a", "text": ""}', 'line 1: no `t`'],
  ['{"t": 0}', 'line 1: neither a socket nor an http line'],
  ['{"t": 0, "ws": "a", "event": "open"}', 'line 1: neither a socket nor an http line'],
  ['{"t": 0, "ws": "a", "event": "ping"}', 'line 1: neither a socket nor an http line'],
  ['{"t": 0, "http": {"method": "GET"}}', 'line 1: neither a socket nor an http line'],
])('%j is named by its line', (jsonl, expected) => {
  expect(complaint(jsonl)).toContain(expected);
});

test('one bad line spoils a recording', () => {
  expect(isLeft(readRecording('{"t": 0, "ws": "a", "text": ""}\n{}'))).toBe(true);
});
