import { readFile } from '../../../gateway/dashboard/model/workflow-file/read-file';
import { readWorkflow, withNewSeeds } from '../../../gateway/dashboard/model/workflow-file/workflow-text';
import { image } from '../../support/comfyui/workflows';
import {
  compressedChunk,
  exif,
  flac,
  jpeg,
  png,
  textChunk,
  unicodeChunk,
  webp,
} from '../support/dashboard/saved-files';

const workflow =
  '{"2": {"inputs": {"seed": 12345678901234567891, "x": 1e-07, "link": ["1", 0]}, "class_type": "KSampler"}, "1": {"class_type": "X", "inputs": {}}}';
const whole = { tag: 'workflow', workflow, nodes: 2, seeds: 1 };
const editors = JSON.stringify({ last_node_id: 3, nodes: [{ id: 1, type: 'KSampler' }], links: [], version: 0.4 });
const unfit = (why: string | RegExp) => ({ tag: 'unfit', why: expect.stringMatching(why) as string });
const fileOf = (bytes: Buffer) => readFile(new Blob([new Uint8Array(bytes)]));

describe('a text', () => {
  test('of a workflow is taken as it stands, from a body for /prompt as well', () => {
    expect(readWorkflow(workflow)).toEqual(whole);
    expect(readWorkflow(`\uFEFF ${workflow}\n`)).toEqual(whole);
    expect(readWorkflow(`{"client_id": "a\\"b{", "prompt":${workflow} , "extra_data": {"n": [1, 2]}}`)).toEqual(whole);
  });
  test.each([
    ['', /empty/],
    ['hello', /not a JSON file/],
    [workflow.slice(0, -5), /broken or cut off/],
    ['[]', /no workflow/],
    ['7', /not a JSON file|no workflow/],
    ['null', /not a JSON file|no workflow/],
    ['{}', /without any nodes/],
    ['{"1":{}}', /API format/],
    ['{"1":{"class_type":"X"}}', /“1” has no inputs/],
    ['{"1":{"class_type":"X","inputs":{}},"note":{"inputs":{}}}', /“note” has no class_type/],
    ['{"prompt":{}}', /nodes/],
    [editors, /editor.*Export \(API\)/],
  ])('%p is none, and it says what it is', (text, why) => {
    expect(readWorkflow(text)).toEqual(unfit(why));
  });
  test('what Python writes and JSON has not becomes null, outside of strings only', () => {
    const python =
      '{"1": {"class_type": "X", "inputs": {"a": "NaN, \\"Infinity\\"", "b": -Infinity}, "is_changed": [NaN]}}';
    const read = '{"1": {"class_type": "X", "inputs": {"a": "NaN, \\"Infinity\\"", "b": null}, "is_changed": [null]}}';
    expect(readWorkflow(python)).toMatchObject({ tag: 'workflow', workflow: read });
  });
  test('of 12 MB is one', () => {
    const big = JSON.stringify({
      ...image(),
      '99': { class_type: 'LoadBase64', inputs: { data: 'A\\"{'.repeat(3 << 20) } },
    });
    expect(readWorkflow(big)).toMatchObject({ tag: 'workflow', workflow: big, seeds: 1 });
    expect(JSON.parse(withNewSeeds(big, () => 0))).toEqual({
      ...(JSON.parse(big) as object),
      '5': { ...image()['5'], inputs: { ...image()['5']!.inputs, seed: 0 } },
    });
  });
});

test('new seeds change seeds and nothing else, to the last digit; links and texts of that name stay', () => {
  const text =
    '{"a": {"class_type": "S", "_meta": {"seed": 1}, "inputs": {"noise_seed":18446744073709551615 , "seed": ["b", 0], "cfg": 7.10}},\n "b": {"inputs": {"seed": -4, "text": "\\"seed\\": 3"}, "class_type": "P"}, "c": {"class_type": "Q", "inputs": {"seed": "9"}}}';
  expect(readWorkflow(text)).toMatchObject({ seeds: 2 });
  expect(withNewSeeds(text, () => 0.5)).toBe(
    text.replace('18446744073709551615', '2147483648').replace('"seed": -4', '"seed": 2147483648'),
  );
});

describe('a file that ComfyUI saved', () => {
  test.each([
    ['PNG', png(textChunk('workflow', editors), textChunk('prompt', workflow))],
    ['PNG with compressed text', png(compressedChunk('prompt', workflow))],
    ['PNG with international text', png(unicodeChunk('prompt', workflow))],
    ['PNG with compressed international text', png(unicodeChunk('prompt', workflow, true))],
    ['WebP', webp(exif([`prompt:${workflow}`, `workflow:${editors}`]))],
    [
      'WebP of the other byte order, with the block’s name before it',
      webp(Buffer.concat([Buffer.from('Exif\0\0'), exif([`workflow:${editors}`, `prompt:${workflow}`], 'MM')])),
    ],
    ['JPEG', jpeg(exif([`prompt:${workflow}`]))],
    ['FLAC', flac({ workflow: editors, prompt: workflow })],
  ])('is read as what it was made by: %s', async (_kind, bytes) => {
    expect(await fileOf(bytes)).toEqual(whole);
  });

  test('with the editor’s format alone is explained', async () => {
    expect(await fileOf(png(textChunk('workflow', editors)))).toEqual(unfit(/editor only.*Export \(API\)/));
    expect(await fileOf(webp(exif([`workflow:${editors}`])))).toEqual(unfit(/editor only/));
  });
  test('without a workflow says so', async () => {
    for (const bytes of [png(), webp(Buffer.alloc(0)), jpeg(exif([])), flac({})])
      expect(await fileOf(bytes)).toEqual(unfit(/carries no workflow/));
  });
  test('that is cut off anywhere is explained or read, and never breaks the page', async () => {
    for (const bytes of [
      png(unicodeChunk('prompt', workflow, true)),
      webp(exif([`prompt:${workflow}`])),
      jpeg(exif([`prompt:${workflow}`])),
      flac({ prompt: workflow }),
    ])
      for (let length = 0; length < bytes.length; length += 1) {
        const reading = await fileOf(bytes.subarray(0, length));
        if (reading.tag === 'workflow') expect(reading).toEqual(whole);
        else expect(reading.why).not.toContain('could not read');
      }
  });
});
