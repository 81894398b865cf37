import * as E from 'fp-ts/Either';
import { decodeJobState } from '../../sinks/job-state.codec';
import { jobKey, UnreadableState } from '../../sinks/job-store';
import { aFullState, aState } from './a-state';

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

it("keeps the application's contract: a type of its own, no characterId, no clientId", () => {
  const { characterId: _, clientId: __, ...state } = aFullState({ type: 'their-own' });
  expect(decode(state)).toEqual(E.right(state));
});

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
  ['failure.kind', { failure: { kind: 'bored', message: '', retryable: true } }],
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
