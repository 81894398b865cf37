import { bounds } from '../../../streams/bounds';
import { isLeft, isRight } from 'fp-ts/Either';
import { decodeFrame, MalformedFrame, type Frame } from '../../../sources/codecs/frame.codec';
import { framesOf, recordings } from '../../support/replay/recordings';

/** What a frame says, or that it is none of our business. */
function read(text: string): Frame | undefined {
  const decoded = decodeFrame(text);
  if (isRight(decoded)) return decoded.right;
  throw decoded.left;
}
/** What is wrong with a frame. */
function complaint(frame: unknown): string {
  const decoded = decodeFrame(typeof frame === 'string' ? frame : JSON.stringify(frame));
  if (isRight(decoded)) throw new Error('it was read');
  expect(decoded.left).toBeInstanceOf(MalformedFrame);
  return decoded.left.message;
}
const frame = (type: string, data?: unknown): string => JSON.stringify({ type, data });

test.each(recordings.map((recording) => [recording.name, recording] as const))(
  'every frame of %s is read',
  (_, recording) => {
    const texts = framesOf(recording).filter((frame) => typeof frame === 'string');
    for (const text of texts) expect(() => read(text)).not.toThrow();
  },
);

test('the recordings hold every type of frame that is read, and some that are none of our business', () => {
  const texts = recordings.flatMap(framesOf).filter((frame) => typeof frame === 'string');
  const types = new Set(texts.map((text) => read(text)?.type));
  expect([...types].sort()).toEqual([
    'executed',
    'executing',
    'execution_cached',
    'execution_error',
    'execution_interrupted',
    'execution_start',
    'execution_success',
    'progress',
    'progress_state',
    'status',
    undefined,
  ]);
});

test('Python’s numbers are numbers', () => {
  expect(read('{"type": "progress", "data": {"value": 1.0, "max": 10}}')).toMatchObject({
    data: { value: 1, max: 10 },
  });
});

test.each([
  ['left out', {}],
  ['null', { prompt_id: null, node: null, display_node: null }],
])('what may be missing may be %s', (_, data) => {
  expect(read(frame('executing', data))?.type).toBe('executing');
  expect(read(frame('progress', { value: 1, max: 2, ...data }))?.type).toBe('progress');
});

test('what is new does not matter', () => {
  expect(read(frame('execution_start', { prompt_id: 'p', novelty: [1] }))).toMatchObject({ data: { prompt_id: 'p' } });
});

test.each(['feature_flags', 'crystools.monitor', 'constructor', '__proto__', 'toString', ''])(
  'a frame of type %p is none of our business, whatever is in it',
  (type) => {
    expect(read(frame(type, { any: 'thing' }))).toBeUndefined();
    expect(read(frame(type))).toBeUndefined();
  },
);

describe('[R9] a malformed frame', () => {
  test.each(['', '{', 'null and void', '\u0000', '{"type": "progress", "data": NaNny}', '{"type": NaN'])(
    'that is no JSON: %p',
    (text) => {
      expect(complaint(text)).toBe('no JSON');
    },
  );

  test.each([null, 42, 'text', [], {}, { type: 7 }, { type: null, data: {} }])('that has no type: %j', (value) => {
    expect(complaint(JSON.stringify(value))).toBe('no `type`');
  });

  test.each([
    ['status', {}, 'status: status'],
    ['status', { status: { exec_info: { queue_remaining: '1' } } }, 'status: status.exec_info.queue_remaining'],
    ['execution_start', {}, 'execution_start: prompt_id'],
    ['execution_start', undefined, 'execution_start: data'],
    ['execution_cached', { prompt_id: 'p', nodes: '1' }, 'execution_cached: nodes'],
    ['execution_cached', { prompt_id: 'p', nodes: ['1', 2.5] }, 'execution_cached: nodes'],
    ['executing', { node: [3], prompt_id: 'p' }, 'executing: node'],
    ['progress', { value: '1', max: 'ten' }, 'progress: value, max'],
    ['progress_state', { prompt_id: 'p', nodes: { '7': { value: 0, state: 'running' } } }, 'progress_state: nodes.max'],
    ['executed', { prompt_id: 'p', output: [] }, 'executed: node, output'],
    ['execution_success', { prompt_id: 7e77 }, 'execution_success: prompt_id'],
    ['execution_error', { node_id: '2' }, 'execution_error: prompt_id'],
    ['execution_interrupted', null, 'execution_interrupted: data'],
  ])('of type %s is named by its field', (type, data, expected) => {
    expect(complaint(frame(type, data))).toBe(expected);
  });

  test.each(['1e999', '-1e999'])('holds a number that is none: %s', (number) => {
    expect(complaint(`{"type": "progress", "data": {"value": ${number}, "max": 1}}`)).toBe('progress: value');
    const status = `{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": ${number}}}}}`;
    expect(complaint(status)).toBe('status: status.exec_info.queue_remaining');
  });

  test('names three fields at most', () => {
    const nodes = Object.fromEntries(Array.from({ length: 500 }, (_, id) => [`n${id}`, {}]));
    expect(complaint(frame('progress_state', { nodes }))).toBe('progress_state: prompt_id, nodes.value, nodes.max');
  });

  test('never shows what it holds', () => {
    const secret = 'a-secret-prompt';
    const shapes = [secret, [secret], { [secret]: secret }, { [secret]: { value: secret } }];
    for (const type of ['status', 'progress', 'progress_state', 'executed', 'executing', 'execution_error'])
      for (const shape of shapes)
        for (const data of [shape, { prompt_id: shape, node: shape, node_id: shape, nodes: shape, value: shape }]) {
          const decoded = decodeFrame(frame(type, data));
          if (isLeft(decoded)) expect(shownOf(decoded.left)).not.toContain(secret);
        }
    const torn = decodeFrame(`{"${secret}`);
    expect(isLeft(torn) && shownOf(torn.left)).not.toContain(secret);
  });
});

/** All that a log might show of an error. */
const shownOf = (error: Error): string => `${error.message} ${String(error.cause)}`;

describe('what JavaScript might trip over', () => {
  test('a node named like a property of every object', () => {
    const text =
      '{"type": "progress_state", "data": {"prompt_id": "p", "nodes": {"__proto__": {"value": 1, "max": 2, "state": "running"}, "constructor": {"value": 1, "max": 2, "state": "running"}}}}';
    const decoded = read(text);
    expect(decoded?.type).toBe('progress_state');
    expect(({} as Record<string, unknown>)['value']).toBeUndefined();
  });

  test('nesting a hundred thousand deep is not read at all', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const output of [deep, `{"images": ${deep}}`, `{"images": ["\\"[", "]", ${deep}]}`])
      expect(complaint(`{"type": "executed", "data": {"node": "1", "prompt_id": "p", "output": ${output}}}`)).toBe(
        'nested deeper than 200',
      );
    const text = JSON.stringify('['.repeat(100_000));
    const output = `{"text": [${text}]}`;
    expect(read(`{"type": "executed", "data": {"node": "1", "prompt_id": "p", "output": ${output}}}`)?.type).toBe(
      'executed',
    );
  });

  test('[R16] more values than a run has are not read at all; commas in a text are none', () => {
    const cached = (count: number) =>
      frame('execution_cached', { prompt_id: 'p', nodes: Array.from({ length: count }, (_, n) => `${n}`) });
    expect(complaint(cached(bounds.frameValues))).toBe(`more than ${bounds.frameValues} values`);
    expect(read(cached(bounds.frameValues - 10))?.type).toBe('execution_cached');
    const text = ','.repeat(2 * bounds.frameValues);
    expect(read(frame('executed', { node: '1', prompt_id: 'p', output: { text: [text] } }))?.type).toBe('executed');
  });

  test('bytes that are no UTF-8', () => {
    const text = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]).toString();
    expect(complaint(text)).toBe('no `type`');
  });
});
