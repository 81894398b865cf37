import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLeft, isRight } from 'fp-ts/Either';
import { decodeBinaryFrame } from '../../../sources/codecs/binary-frame.codec';
import { nodeFailure } from '../../../sources/codecs/failure';
import { frameEvents } from '../../../sources/codecs/frame-events';
import { decodeFrame } from '../../../sources/codecs/frame.codec';
import { queueOf } from '../../../sources/codecs/jobs.codec';
import { proxyRefusal, rejection } from '../../../sources/codecs/prompt.codec';
import { TooMuch, readPython } from '../../../sources/codecs/python-json';
import { Refusal } from '../../../sources/rest/no-answer';
import { read } from '../../../sources/rest/rest';
import type { Failure } from '../../../streams/job/job-state';

const text = (name: string): string => readFileSync(join(__dirname, '../cases', name), 'utf8');
const json = (name: string): unknown => JSON.parse(text(name));

/** What a text frame tells of its job. */
function told(frame: string) {
  const decoded = decodeFrame(frame);
  if (isLeft(decoded)) throw decoded.left;
  const origin = { clientId: 'c', serverUrl: 'http://comfy', at: 1 };
  return decoded.right === undefined ? [] : frameEvents(decoded.right, origin);
}

describe('what Python writes', () => {
  const [broke, executed, quoted, queue] = text('nan-frames.jsonl')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text) as [string, string, string, string];

  test('a failure whose inputs hold a NaN is told', () => {
    expect(told(broke)).toMatchObject([
      {
        tag: 'broke',
        failure: { kind: 'node_error', nodeId: '2', message: 'cannot convert float NaN to integer', retryable: false },
      },
    ]);
  });

  test('a picture beside numbers that are none is an output', () => {
    expect(told(executed)).toMatchObject([
      { tag: 'executed', outputs: [{ nodeId: '2', kind: 'images', filename: 'a.png' }] },
    ]);
  });

  test('the same words inside a string stay', () => {
    expect(told(quoted)).toMatchObject([{ failure: { message: 'got [NaN, Infinity] and "NaN"' } }]);
  });

  test('a stranger’s NaN in the queue hides nobody', () => {
    expect(queueOf(readPython(queue))?.map(({ promptId }) => promptId)).toEqual(['foreign']);
  });

  test('a job posted with the number NaN hides nobody either', () => {
    const answer = '{"queue_running": [], "queue_pending": [[NaN, "odd", {}, {}, []], [7, "ours", {}, {}, []]]}';
    expect(queueOf(readPython(answer))?.map(({ promptId }) => promptId)).toEqual(['odd', 'ours']);
  });

  test('steps that are no number are no steps', () => {
    expect(told('{"type": "progress", "data": {"value": NaN, "max": 10, "prompt_id": "p"}}')).toEqual([]);
    expect(
      told(
        '{"type": "progress_state", "data": {"prompt_id": "p", "nodes": {"1": {"value": Infinity, "max": NaN, "state": "finished"}, "2": {"value": 1, "max": 2, "state": "running"}}}}',
      ),
    ).toMatchObject([
      {
        nodes: [
          { id: '1', value: 0, max: 1, finished: true },
          { id: '2', value: 1, max: 2, finished: false },
        ],
      },
    ]);
  });

  test.each([
    ['[NaN, -Infinity, Infinity, 1]', [null, null, null, 1]],
    ['{"NaN": "NaN", "a": NaN}', { NaN: 'NaN', a: null }],
    ['["\\\\", NaN, "\\\\\\"NaN", "\\"", Infinity]', ['\\', null, '\\"NaN', '"', null]],
    ['NaN', null],
  ])('%s', (python, value) => {
    expect(readPython(python)).toEqual(value);
  });

  test.each(['{"a": NaN', '[NaN, nan]', '"NaN', 'NaNNaN', 'Infinitys', '--Infinity', '{NaN: 1}'])(
    'what Python does not write is refused: %s',
    (odd) => {
      expect(() => readPython(odd)).toThrow(SyntaxError);
    },
  );

  test('twenty million brackets are not read', () => {
    expect(() => readPython('['.repeat(20_000_000))).toThrow(TooMuch);
  });

  test('[R16] lists and objects count as values, though no comma stands between them', () => {
    const nested = `${'['.repeat(150)}${']'.repeat(150)},`;
    expect(() => readPython(`[${nested.repeat(1_000)}1]`, 100_000)).toThrow(TooMuch);
    expect(readPython(`[${nested.repeat(100)}1]`, 100_000)).toHaveLength(101);
  });
});

test.each(
  (json('memory-messages.json') as { exception_type: string; exception_message: string }[]).map(
    ({ exception_type, exception_message }) => [exception_type, exception_message] as const,
  ),
)('out of memory is out of memory: %s: %s', (exception_type, exception_message) => {
  expect(nodeFailure({ prompt_id: 'p', exception_type, exception_message })).toMatchObject({
    kind: 'out_of_memory',
    retryable: true,
  });
});

test.each([
  ['torch.OutOfMemoryError', 'HIP out of memory. Tried to allocate 2.00 GiB'],
  ['RuntimeError', 'CUDA error: out of memory'],
  ['RuntimeError', 'CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasLtMatmul'],
  ['RuntimeError', 'Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_HOST_MEMORY)'],
  ['RuntimeError', 'Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES)'],
  ['MemoryError', 'std::bad_alloc: failed'],
  ['OSError', '[WinError 14] Not enough memory resources are available to complete this operation'],
  ['OSError', '[Errno 12] Cannot allocate memory'],
])('and under names that nobody has reported yet: %s: %s', (exception_type, exception_message) => {
  expect(nodeFailure({ prompt_id: 'p', exception_type, exception_message }).kind).toBe('out_of_memory');
});

test.each([
  ['RuntimeError', 'Expected all tensors to be on the same device'],
  ['ValueError', 'Sizes of tensors must match'],
  ['OSError', '[WinError 1450] Insufficient system resources'],
  ['KeyError', 'memory'],
])('what is not of memory is not: %s: %s', (exception_type, exception_message) => {
  expect(nodeFailure({ prompt_id: 'p', exception_type, exception_message }).kind).toBe('node_error');
});

describe('a proxy’s page', () => {
  interface Case {
    readonly status: number;
    readonly contentType: string;
    readonly headers?: { readonly location?: string };
    readonly body: string;
  }
  const [tooLarge, noCredentials, moved, unknownNode] = json('refusals.json') as [Case, Case, Case, Case];

  /** What a submitter is told. */
  function failure({ status, contentType, headers, body }: Case): Failure {
    try {
      const { json } = read(status, contentType, body, headers?.location);
      return rejection(json)?.failure ?? proxyRefusal({ status, location: undefined });
    } catch (error) {
      if (error instanceof Refusal) return proxyRefusal(error);
      throw error;
    }
  }
  const page = (status: number, location?: string): Case => ({
    status,
    contentType: 'text/html',
    body: '<html></html>',
    headers: location === undefined ? {} : { location },
  });

  test('with 413 says that the body is too large, and is not to be repeated', () => {
    expect(failure(tooLarge)).toEqual({
      kind: 'rejected',
      message: 'ComfyUI was not reached: a proxy before it takes no body of this size (413).',
      retryable: false,
    });
  });

  test('with 401 says what is missing', () => {
    expect(failure(noCredentials)).toMatchObject({ kind: 'unreachable', retryable: false });
    expect(failure(noCredentials).message).toContain(
      'asks for credentials, which the server’s headers do not give (401)',
    );
  });

  test('with 301 says what COMFYUI_URL should be', () => {
    expect(failure(moved).message).toBe(
      "ComfyUI was not reached: the server's address redirects elsewhere: COMFYUI_URL should begin with https:// (301).",
    );
    expect(failure({ ...moved, contentType: '', body: '' }).message).toBe(failure(moved).message);
    const elsewhere = page(302, 'http://elsewhere/prompt?again');
    expect(failure(elsewhere).message).toContain('COMFYUI_URL should be where it leads (302)');
  });

  test.each(['https://sso.example/login', 'http://login/', '/login?next=/prompt', ''])(
    'with 302 to %p says that somebody is to sign in',
    (location) => {
      expect(failure(page(302, location)).message).toContain('redirects to another page, to sign in it may be');
    },
  );

  test('with 301 names no other page', () => {
    expect(failure(moved).message).not.toContain('sign in');
  });

  test.each([403, 404, 407, 410, 451])('with %i is told with its status', (status) => {
    expect(failure(page(status)).message).toContain(`(${status})`);
  });

  test.each([502, 503, 504, 524, 429, 200])('with %i is no answer', (status) => {
    expect(() => failure(page(status))).toThrow(expect.objectContaining({ name: 'NoAnswer' }) as Error);
  });

  test('a node class with spaces in its name is named', () => {
    expect(failure(unknownNode)).toMatchObject({
      kind: 'rejected',
      nodeId: '12',
      nodeType: 'Image Comparer (rgthree)',
    });
  });
});

test('an animated latent preview is its JPEG alone, of its node', () => {
  const { base64 } = json('latent-preview-frame.json') as { base64: string };
  const frame = Buffer.from(base64, 'base64');
  const decoded = decodeBinaryFrame(frame);
  expect(isRight(decoded) && decoded.right).toEqual({
    nodeId: '13',
    mimeType: 'image/jpeg',
    image: frame.subarray(8 + 24),
  });
});
