import * as E from 'fp-ts/Either';
import { decodeJobState } from '../../../sinks/codecs/job-state.codec';
import { jobKey, UnreadableState } from '../../../sinks/job-store';
import { aFullState, aState } from '../a-state';

const anOutput = { nodeId: '9', kind: 'images', filename: 'a.png', subfolder: '', type: 'temp' };
const KEY = jobKey('job-1');
const decode = (value: unknown) => decodeJobState(KEY, JSON.stringify(value));
const complaintOf = (value: unknown): string => {
  const state = decode(value);
  if (E.isRight(state)) throw new Error('it was readable');
  expect(state.left).toBeInstanceOf(UnreadableState);
  expect(state.left.key).toBe(KEY);
  return state.left.message;
};

const required = [
  'promptId',
  'type',
  'userId',
  'status',
  'progress',
  'startedAt',
  'serverUrl',
  'phase',
  'updatedAt',
  'via',
  'attempt',
  'epoch',
  'seq',
] as const;

it('reads what JSON.stringify wrote, with every field and with the required ones only', () => {
  expect(decode(aFullState())).toEqual(E.right(aFullState()));
  expect(decode(aState())).toEqual(E.right(aState()));
});

it('lets fields through that it does not know, at every level', () => {
  const newer = {
    ...aFullState(),
    colour: 'red',
    node: { ...aFullState().node, load: 0.5 },
    outputs: [{ ...aFullState().outputs?.[0], size: 7 }],
  };
  expect(decode(newer)).toEqual(E.right(newer));
});

describe('words that only a newer version knows', () => {
  it.each([
    ['failure.kind', { failure: { kind: 'quota_exceeded', message: 'Too much.', retryable: true } }],
    ['phase', { phase: 'uploading' }],
    ['via', { via: 'webhook' }],
    ['retry.onLost', { retry: { maxAttempts: 2, onLost: 'resubmit_elsewhere' } }],
  ])('are read as they are: %s', (_, own) => {
    const newer = { ...aFullState(), ...own };
    expect(decode(newer)).toEqual(E.right(newer));
  });

  it.each(['', 'Bored', 'a b', '<b>', 'x'.repeat(41), 7, null])('are words: not %j', (phase) => {
    expect(complaintOf({ ...aFullState(), phase })).toContain(': phase is missing or wrong');
  });

  it('are no other status: whether a job has ended must be known', () => {
    expect(complaintOf({ ...aFullState(), status: 'paused' })).toContain(': status is missing or wrong');
  });
});

it('reads what an older version wrote, without the fields that came later', () => {
  const older = Object.fromEntries(Object.entries(aFullState()).filter(([key]) => required.includes(key as never)));
  expect(decode(older)).toEqual(E.right(older));
});

it("keeps the application's contract: a type of its own, no characterId, no clientId", () => {
  const { characterId: _, clientId: __, ...state } = aFullState({ type: 'their-own' });
  expect(decode(state)).toEqual(E.right(state));
});

it.each(required)('names %s where it is missing', (field) => {
  const { [field]: _, ...rest } = aState();
  expect(complaintOf(rest)).toBe(`${KEY} holds no job state: ${field} is missing or wrong`);
});

it.each(Object.keys(aFullState()))('names %s where it is wrong, and does not show the value', (field) => {
  const complaint = complaintOf({ ...aFullState(), [field]: ['secret'] });
  expect(complaint).toContain(field);
  expect(complaint).not.toContain('secret');
});

it.each([
  ['node.max', { node: { id: '3', type: 'T', value: 1 } }],
  ['outputs.1.filename', { outputs: [anOutput, { ...anOutput, filename: 7 }] }],
  ['failure.kind', { failure: { kind: 'Bored <b>', message: '', retryable: true } }],
  ['nodeErrors.0.message', { nodeErrors: [{ nodeId: '3' }] }],
  ['status', { status: 'paused' }],
])('names %s by its path', (path, own) => {
  expect(complaintOf({ ...aFullState(), ...own })).toContain(`: ${path} is missing or wrong`);
});

it('does not take the state of another job', () => {
  expect(complaintOf(aState({ promptId: 'job-2' }))).toContain('promptId is that of another job');
});

it.each(['', 'hello secret', '{"promptId":"job-1"', '\u0000'])('does not read %j, and does not show it', (text) => {
  const state = decodeJobState(KEY, text);
  expect(state).toEqual(E.left(new UnreadableState(KEY, 'it is not JSON')));
});

it.each([null, 5, 'text', true, []])('does not read %j', (value) => {
  expect(complaintOf(value)).toMatch(/it is not an object|promptId is missing or wrong/);
});
