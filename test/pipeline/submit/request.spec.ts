import { InvalidRequest, type JobRequest, type ListQuery, type SubmitRequest } from '../../../pipeline/api';
import { checkedQuery, checkedSubmission, checkedTracking } from '../../../pipeline/submit/request';
import { bounds } from '../../../streams/bounds';

const good = { type: 'image_generation', userId: 'ada' };
const submission = (more: object) => ({ ...good, workflow: {}, ...more }) as SubmitRequest;
const cyclic: Record<string, unknown> = {};
cyclic['itself'] = cyclic;

const refusal = (check: () => void): string | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidRequest) return error.field;
    throw error;
  }
};

it.each<[field: string, what: string, more: object]>([
  ['onlost', 'a slip', { onlost: 'resubmit' }],
  ['__proto__', 'a name that objects have', JSON.parse('{"__proto__": 1}') as object],
  ['type', 'missing', { type: undefined }],
  ['type', 'empty', { type: '' }],
  ['userId', 'a number', { userId: 42 }],
  ['userId', 'missing', { userId: undefined }],
  ['userId', 'half a pair of characters', { userId: '\ud800' }],
  ['characterId', 'null', { characterId: null }],
  ['metadata', 'a list', { metadata: [] }],
  ['metadata', 'text by its own word', { metadata: { toJSON: () => 'text' } }],
  ['metadata', 'a bigint', { metadata: { seed: 1n } }],
  ['metadata', 'no number', { metadata: { list: [{ loss: NaN }] } }],
  ['metadata', 'without end', { metadata: { least: -Infinity } }],
  ['metadata', 'what refers to itself', { metadata: cyclic }],
  ['metadata', 'too long', { metadata: { a: '🎨'.repeat(bounds.metadataBytes / 4) } }],
  ['server', 'too long', { server: 'x'.repeat(bounds.serverLength + 1) }],
])('[R18] submit and track refuse %s where it is %s', (field, _, more) => {
  expect(refusal(() => checkedSubmission(submission(more)))).toBe(field);
  expect(refusal(() => checkedTracking({ ...good, ...more }))).toBe(field);
});

it.each<[field: string, what: string, more: object]>([
  ['once', 'without a body', { once: { key: 'k' } }],
  ['once', 'under no key', { once: { key: '', body: 'b' } }],
  ['once', 'under a key that no store takes', { once: { key: 'ä'.repeat(951), body: 'b' } }],
  ['once', 'with a body that is no digest', { once: { key: 'k', body: 'b'.repeat(4097) } }],
  ['once', 'no object', { once: 'k' }],
  ['outline', 'no text', { outline: 5 }],
  ['front', 'text', { front: 'yes' }],
  ['number', 'no number', { number: Number.NaN }],
  ['partialExecutionTargets', 'too many', { partialExecutionTargets: Array.from({ length: 1001 }, String) }],
  ['partialExecutionTargets', 'numbers', { partialExecutionTargets: [4] }],
  ['partialExecutionTargets', 'no list', { partialExecutionTargets: { length: 1, every: () => true } }],
  ['partialExecutionTargets', 'too long', { partialExecutionTargets: ['x'.repeat(bounds.nodeIdLength + 1)] }],
  ['onLost', 'something else', { onLost: 'again' }],
  ['timeoutMs', 'negative', { timeoutMs: -1 }],
  ['timeoutMs', 'no time', { timeoutMs: 0 }],
  ['timeoutMs', 'not whole', { timeoutMs: 1.5 }],
  ['timeoutMs', 'no number', { timeoutMs: Number.NaN }],
  ['timeoutMs', 'without an end', { timeoutMs: Infinity }],
  ['maxAttempts', 'none', { maxAttempts: 0 }],
  ['maxAttempts', 'too many', { maxAttempts: bounds.attempts + 1 }],
])('[R16] submit refuses %s where it is %s', (field, _, more) => {
  expect(refusal(() => checkedSubmission(submission(more)))).toBe(field);
});

it.each<[field: string, query: object]>([
  ['limit', { limit: 0 }],
  ['limit', { limit: -1 }],
  ['limit', { limit: 1.5 }],
  ['limit', { limit: Number.NaN }],
  ['user', { user: 'ada' }],
  ['status', { status: 'queued' }],
  ['status', { status: ['waiting'] }],
  ['since', { since: Number.NaN }],
  ['since', { since: '1970' }],
  ['text', { text: /x/ }],
])('[R18] list refuses %s in %p', (field, query) => {
  expect(refusal(() => checkedQuery(query as ListQuery))).toBe(field);
});

it('refuses what is no request at all', () => {
  expect(refusal(() => checkedSubmission(undefined as unknown as SubmitRequest))).toBe('request');
  expect(refusal(() => checkedTracking('ada' as unknown as JobRequest))).toBe('request');
});

it('takes all that a request may have', () => {
  checkedSubmission({
    ...good,
    workflow: '{}',
    outline: '{}',
    extraData: {},
    once: { key: 'k', body: 'b' },
    characterId: 'c',
    metadata: { a: [1] },
    server: 's',
    front: true,
    number: -1.5,
    partialExecutionTargets: ['1'],
    onLost: 'resubmit',
    timeoutMs: 1,
    maxAttempts: 10,
  });
  // Characters count as Unicode has them.
  checkedSubmission({
    ...good,
    workflow: '{}',
    metadata: { a: '🎨'.repeat(bounds.metadataBytes / 4 - 2) },
    partialExecutionTargets: Array.from({ length: bounds.executionTargets }, () => '🎨'.repeat(bounds.nodeIdLength)),
    once: { key: 'k'.repeat(bounds.onceKeyBytes), body: '' },
    maxAttempts: 1,
  });
  checkedTracking({ ...good, server: 's' });
  checkedQuery({
    status: ['queued'],
    type: 't',
    userId: 'u',
    characterId: 'c',
    text: 'x',
    since: 0,
    until: 1,
    limit: 1,
  });
});

it('takes a copy: what the caller changes afterwards is not in it', () => {
  const metadata = { list: [1] };
  const taken = checkedSubmission(submission({ metadata, characterId: undefined }));
  metadata.list.push(2);
  expect(taken.metadata).toEqual({ list: [1] });
  expect(Object.keys(taken).sort()).toEqual(['metadata', 'type', 'userId', 'workflow']);
});
