import { isRight } from 'fp-ts/Either';
import { interruption, nodeFailure, readable } from '../../../sources/codecs/failure';
import { decodeFrame } from '../../../sources/codecs/frame.codec';
import { historyOf } from '../../../sources/codecs/history.codec';
import { jobOf } from '../../../sources/codecs/jobs.codec';
import type { Failure } from '../../../streams/job/job-state';
import { exchangesOf, framesOf, recordings, type Recording } from '../../support/replay/recordings';

const broke = (exception_message?: string, exception_type?: string, more = {}): Failure =>
  nodeFailure({
    prompt_id: 'p',
    node_id: '2',
    node_type: 'Node',
    ...(exception_message !== undefined && { exception_message }),
    ...(exception_type !== undefined && { exception_type }),
    ...more,
  });

/** Every failure that a recording tells of: in frames, in history and in the jobs of `/api/jobs`. */
const failuresOf = (recording: Recording): readonly Failure[] => [
  ...framesOf(recording).flatMap((text) => {
    const frame = typeof text === 'string' ? decodeFrame(text) : undefined;
    return frame !== undefined && isRight(frame) && frame.right?.type === 'execution_error'
      ? [nodeFailure(frame.right.data)]
      : [];
  }),
  ...exchangesOf(recording).flatMap(({ path, response }) => {
    const [, route, id = ''] = /^\/(history|api\/jobs)\/([^/]+)$/.exec(path) ?? [];
    const found = route === 'history' ? historyOf(response, id) : route === 'api/jobs' ? jobOf(response) : undefined;
    return found?.tag === 'ended' && 'kind' in found.outcome ? [found.outcome] : [];
  }),
];
const recorded = recordings
  .map((recording) => [recording.name, failuresOf(recording)] as const)
  .filter(([, all]) => all.length > 0);

test('[R13] the recordings hold tracebacks, inputs and paths to be kept from a browser', () => {
  const raw = recordings.flatMap(framesOf).join('\n');
  for (const secret of ['traceback', 'current_inputs', '/comfyui/', 'tensor(']) expect(raw).toContain(secret);
  expect(recorded.length).toBeGreaterThan(4);
});

test.each(recorded)('[R13] no failure of %s shows any of them', (_, failures) => {
  const shown = JSON.stringify(failures);
  for (const secret of ['traceback', 'File ', 'current_inputs', 'comfyui', 'tensor', '\\n'])
    expect(shown).not.toContain(secret);
  expect(Object.keys(Object.assign({}, ...failures) as object).sort()).toEqual([
    'kind',
    'message',
    'nodeId',
    'nodeType',
    'retryable',
  ]);
});

test.each(recorded)('%s tells the same failure by frame, history and job', (_, failures) => {
  expect(new Set(failures.map(({ kind, nodeId }) => `${kind} ${nodeId ?? ''}`)).size).toBe(1);
});

describe('what a person reads', () => {
  test.each([
    [
      'Unix paths',
      'No such file: /home/john/ComfyUI/models/checkpoints/sd.safetensors',
      'No such file: …/sd.safetensors',
    ],
    [
      'quoted paths',
      "[Errno 2] No such file or directory: '/home/john doe/my models/sd.safetensors'",
      "[Errno 2] No such file or directory: '…/sd.safetensors'",
    ],
    ['Windows paths', 'Cannot open C:\\Users\\john\\ComfyUI\\input\\a.png', 'Cannot open …/a.png'],
    ['Windows paths with spaces', 'Cannot open C:\\Users\\John Doe\\My Models\\a.png', 'Cannot open …/a.png'],
    [
      'Windows paths as Python writes them',
      "No such file or directory: 'D:\\\\ComfyUI\\\\models\\\\a.safetensors'",
      "No such file or directory: '…/a.safetensors'",
    ],
    ['Windows paths with slashes', 'Cannot open C:/Users/john/a.png', 'Cannot open …/a.png'],
    ['paths of a server in the network', 'Cannot open \\\\nas\\models\\john\\a.png', 'Cannot open …/a.png'],
    ['two paths', 'Cannot move /tmp/a/b.png to /srv/out/c.png', 'Cannot move …/b.png to …/c.png'],
    ['paths in other scripts', 'No such file: /home/жанна/модели/модель.bin', 'No such file: …/модель.bin'],
    ['paths in brackets', 'Error (/opt/venv/lib/python3.12/site-packages/torch/nn.py)', 'Error (…/nn.py)'],
    ['paths at home', 'Cannot read ~/models/loras/a.bin', 'Cannot read ~…/a.bin'],
  ])('[R13] %s keep their last part', (_, message, expected) => {
    expect(readable(message)).toBe(expected);
  });

  test.each([
    ['401 for url: https://civitai.com/api/download/models/1?token=SECRET', 'a token in a query'],
    ['401 for url: https://host/a#access_token=SECRET&x=1', 'a token in a fragment'],
    ['Cannot reach https://john:SECRET@host/a', 'a password'],
    ['Cannot reach https://SECRET@host', 'a token for a name'],
    ['Cannot reach https://john:p@SECRET@host/models/a', 'a password with an @'],
    ['Cannot reach redis://:SECRET@10.0.0.1:6379/0', 'a password without a name'],
    ["Cannot reach 'https://host/a?token=SECRET'", 'a quoted token'],
    ['Traceback:\n  File "/SECRET/x.py", line 1', 'a line after the first'],
    ['\n\n  No.\nSECRET', 'a line after the first that says anything'],
    [`${'x'.repeat(1_000)} SECRET`, 'what is far back'],
  ])('[R13] %j does not show %s', (message) => {
    expect(readable(message)).not.toContain('SECRET');
    expect(readable(message)).not.toBe('');
  });

  test.each([
    'CUDA out of memory. Tried to allocate 20.00 MiB',
    'Ratio 3/4 is not allowed',
    "Value 'euler/ancestral' not in list",
    'and/or',
    '50% of 10/20',
  ])('is left alone: %s', (message) => {
    expect(readable(message)).toBe(message);
  });

  test('is 500 letters long at most', () => {
    expect(readable('x'.repeat(100_000))).toHaveLength(500);
  });

  test.each([
    'x'.repeat(100_000),
    '/'.repeat(100_000),
    '\\'.repeat(100_000),
    '/a'.repeat(50_000),
    '/a'.repeat(50_000) + '/',
    'C:'.repeat(50_000),
    'C:/'.repeat(33_000),
    "'/".repeat(50_000),
    "'/a'/".repeat(20_000),
    'a://'.repeat(25_000),
    `http://${'a'.repeat(100_000)}`,
    `http://${'a:'.repeat(50_000)}`,
    `${'/a b'.repeat(25_000)}'`,
    `'${'/a b'.repeat(25_000)}`,
    '@'.repeat(100_000),
    'é/'.repeat(50_000),
    ' \t'.repeat(50_000) + 'x',
    '\n'.repeat(100_000) + 'x',
  ])('of a hundred thousand letters is found in no time (%#)', (message) => {
    const before = process.cpuUsage();
    readable(message);
    // Of this process's own work, in µs: what else the machine does is no part of it.
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
  });
});

describe('a node’s failure', () => {
  test('is its message, at its node', () => {
    expect(broke('It is too large.\n', 'ValueError')).toEqual({
      kind: 'node_error',
      message: 'It is too large.',
      nodeId: '2',
      nodeType: 'Node',
      retryable: false,
    });
  });

  test('without a message is its exception, and without that says so', () => {
    expect(broke('', 'KeyError').message).toBe('KeyError');
    expect(broke(undefined, 'KeyError').message).toBe('KeyError');
    expect(broke('  \n ').message).toBe('The node failed without a message.');
  });

  test.each([
    ['CUDA out of memory. Tried to allocate 2.00 GiB', 'torch.OutOfMemoryError'],
    ['Allocation on device', 'torch.cuda.OutOfMemoryError'],
    ['Allocation on device 0 would exceed allowed memory. (out of memory)', 'RuntimeError'],
    ['anything', 'torch.OutOfMemoryError'],
    ['MPS backend out of memory', undefined],
  ])('%j (%s) is of memory, and may well succeed another time', (message, type) => {
    expect(broke(message, type)).toMatchObject({ kind: 'out_of_memory', retryable: true });
  });

  test('at no node names none', () => {
    const failure = nodeFailure({ prompt_id: 'p', node_id: null, exception_message: 'No.' });
    expect(failure).toEqual({ kind: 'node_error', message: 'No.', retryable: false });
  });

  test('of an interrupt is none of the node’s', () => {
    expect(interruption({ prompt_id: 'p', node_id: '2', node_type: 'Slow' })).toEqual({
      kind: 'interrupted',
      message: 'The job was interrupted on the server.',
      nodeId: '2',
      nodeType: 'Slow',
      retryable: true,
    });
  });
});
