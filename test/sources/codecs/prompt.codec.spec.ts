import { bounds } from '../../../streams/bounds';
import { acceptedCodec, nodeErrorsOf, rejection } from '../../../sources/codecs/prompt.codec';
import { exchangesOf, recordingOf, recordings } from '../../support/replay/recordings';

/** What a recorded workflow was refused with. */
function refused(version: string, scenario: string): NonNullable<ReturnType<typeof rejection>> {
  const post = exchangesOf(recordingOf(version, scenario)).find(
    ({ method, path }) => method === 'POST' && path === '/prompt',
  );
  expect(post?.status).toBe(400);
  return rejection(post?.response)!;
}

const invalidInput = "Failed to convert an input value to a INT value: x, invalid literal for int() with base 10: 'x'";

test.each(['0.3.30', '0.33.0'])('[R10] %s refuses a wrong input by node and input', (version) => {
  expect(refused(version, 'rejected-invalid-input')).toEqual({
    failure: {
      kind: 'rejected',
      message: `Node 1 (EmptyImage), input height: ${invalidInput} (and 1 more)`,
      nodeId: '1',
      nodeType: 'EmptyImage',
      retryable: false,
    },
    nodeErrors: [
      { nodeId: '1', nodeType: 'EmptyImage', input: 'height', message: invalidInput },
      { nodeId: '5', nodeType: 'PreviewImage', message: "Exception when validating node: '99'" },
    ],
  });
});

test.each([
  ['0.3.30', 'Cannot execute because node NoSuchNode does not exist.'],
  ['0.33.0', "Node 'NoSuchNode' not found. The custom node may not be installed."],
])('[R10] %s refuses a missing node by its id and type', (version, message) => {
  const { failure, nodeErrors } = refused(version, 'rejected-missing-node');
  expect(failure).toEqual({ kind: 'rejected', message, nodeId: '1', nodeType: 'NoSuchNode', retryable: false });
  expect(nodeErrors).toEqual([{ nodeId: '1', nodeType: 'NoSuchNode', message }]);
});

test.each(['0.3.30', '0.33.0'])('[R10] %s refuses a workflow without an output', (version) => {
  expect(refused(version, 'rejected-no-output')).toEqual({
    failure: { kind: 'rejected', message: 'Prompt has no outputs', retryable: false },
    nodeErrors: [],
  });
});

test('[R10] 0.33.0 refuses an id that is no UUID', () => {
  expect(refused('0.33.0', 'non-uuid-prompt-id').failure.message).toMatch(
    /^prompt_id must be a valid UUID: prompt_id must be/,
  );
});

test('[R13] no refusal shows a traceback, a path or the server’s own words on a value', () => {
  const all = recordings.flatMap(exchangesOf).filter(({ status, path }) => path === '/prompt' && status === 400);
  expect(all).toHaveLength(7);
  expect(JSON.stringify(all)).toContain('traceback');
  const shown = JSON.stringify(all.map(({ response }) => rejection(response)));
  for (const secret of ['traceback', 'comfyui', 'received_value', 'KeyError']) expect(shown).not.toContain(secret);
});

test('a workflow that runs in part is accepted, with what does not run', () => {
  const answer = {
    prompt_id: 'p',
    number: 1,
    node_errors: {
      '9': {
        errors: [
          {
            type: 'required_input_missing',
            message: 'Required input is missing',
            details: 'images',
            extra_info: { input_name: 'images' },
          },
        ],
        dependent_outputs: ['9'],
        class_type: 'SaveImage',
      },
    },
  };
  expect(acceptedCodec.is(answer)).toBe(true);
  expect(nodeErrorsOf(answer.node_errors)).toEqual([
    { nodeId: '9', nodeType: 'SaveImage', input: 'images', message: 'Required input is missing' },
  ]);
});

test.each([
  [{ prompt_id: 'p' }, true],
  [{ prompt_id: 'p', number: 1, node_errors: {} }, true],
  [{ prompt_id: 7 }, true],
  [{ prompt_id: 7.5 }, false],
  [{}, false],
  [null, false],
  ['p', false],
])('%j is the answer to an accepted workflow: %p', (answer, is) => {
  expect(acceptedCodec.is(answer)).toBe(is);
});

test.each([null, undefined, [], 'no', { '1': null }, { '1': { errors: 'no' } }, { '1': { errors: [null, 'no', {}] } }])(
  'complaints that cannot be read are none: %j',
  (errors) => {
    expect(nodeErrorsOf(errors)).toEqual([]);
  },
);

test('complaints without a type, an input or any more than their message are told all the same', () => {
  expect(nodeErrorsOf({ '1': { errors: [{ message: 'No.' }, { message: 'No!', extra_info: null }] } })).toEqual([
    { nodeId: '1', message: 'No.' },
    { nodeId: '1', message: 'No!' },
  ]);
});

test('[R13] a complaint’s message is made fit for a person', () => {
  const errors = { '1': { errors: [{ message: 'Invalid image file: /srv/comfyui/input/a.png\nTraceback' }] } };
  expect(nodeErrorsOf(errors)[0]?.message).toBe('Invalid image file: …/a.png');
});

test.each([undefined, null, '<html>', {}, { error: 7 }, { error: {} }])(
  '[R10] an answer without ComfyUI’s error is none of its refusals: %j',
  (json) => expect(rejection(json)).toBeUndefined(),
);

test('an error that is a text is told', () => {
  expect(rejection({ error: 'No prompt provided' })?.failure.message).toBe('No prompt provided');
});

test('an error without anything but its message is told', () => {
  expect(rejection({ error: { message: 'No.' } })?.failure).toEqual({
    kind: 'rejected',
    message: 'No.',
    retryable: false,
  });
});

test('[R16] complaints are bounded together, the first ones told', () => {
  const error = { message: 'x'.repeat(3_000), details: 'y'.repeat(3_000) };
  const told = nodeErrorsOf(Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`${n}`, { errors: [error] }])));
  expect(told[0]).toMatchObject({ nodeId: '0' });
  expect(told.length).toBeGreaterThan(10);
  expect(JSON.stringify(told).length).toBeLessThan(bounds.nodeErrorsLength + 200);
});

test('what ComfyUI says of an input that its node refuses itself is told with the asker’s value', () => {
  const details = 'image - Invalid image file: nope.png';
  const error = { type: 'custom_validation_failed', message: 'Custom validation failed for node', details };
  const answer = {
    error: { type: 'prompt_outputs_failed_validation', message: 'Prompt outputs failed validation', details: '' },
    node_errors: { '1': { errors: [{ ...error, extra_info: { input_name: 'image' } }], class_type: 'LoadImage' } },
  };
  expect(rejection(answer)?.failure.message).toBe(
    'Node 1 (LoadImage), input image: Custom validation failed for node: Invalid image file: nope.png',
  );
});
