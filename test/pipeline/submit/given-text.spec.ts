import { readFileSync } from 'node:fs';
import { promptOf } from '../../../pipeline/submit/prompt';
import { InvalidRequest, type SubmitRequest } from '../../../pipeline/api';
import { bounds } from '../../../streams/bounds';

const node = { class_type: 'PreviewImage', inputs: { images: ['2', 0] } };
const request = (more: object): SubmitRequest => ({
  type: 'image_generation',
  userId: 'ada',
  workflow: { '1': node },
  ...more,
});
const cyclic: Record<string, unknown> = {};
cyclic['1'] = { class_type: 'A', inputs: cyclic };
const deep = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 0);
const nodes = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`n${n}`, node]));

it('R18: what the owner of a pipeline gives goes on as it is', () => {
  const workflow = '{ "1": {"class_type":"A","inputs":{"seed":18446744073709551615}} }';
  const extraData = '{"api_key_comfy_org": "k", "n": 12345678901234567891}';
  expect(promptOf(request({ workflow, extraData }))).toEqual({ workflow, extraData });
  const seeded = { '1': { class_type: 'A', inputs: { seed: 18446744073709551615n } } };
  expect(promptOf(request({ workflow: seeded })).workflow).toBe(
    '{"1":{"class_type":"A","inputs":{"seed":18446744073709551615}}}',
  );
});

it('R18: what else a request says goes on too, and nothing that it does not say', () => {
  const workflow = JSON.stringify({ '1': node });
  const more = { outline: '{}', front: false, number: 0, partialExecutionTargets: ['1'] };
  expect(promptOf(request({ workflow, ...more }))).toStrictEqual({ workflow, ...more });
  expect(promptOf(request({ workflow }))).toStrictEqual({ workflow });
});

it('text that comes with an outline is not read', () => {
  const workflow = '{"1":';
  expect(promptOf(request({ workflow, outline: '{}' })).workflow).toBe(workflow);
});

it.each<[objection: string, more: object]>([
  ['holds NaN or Infinity, which JSON would make null', { extraData: { x: NaN } }],
  ['cannot be written as JSON', { extraData: cyclic }],
  ['cannot be written as JSON', { extraData: { x: deep(1e5) } }],
])('extra data is refused since it %s', (objection, more) => {
  expect(() => promptOf(request(more))).toThrow(objection);
});

it('R16: a text may have a hundred MiB, in whichever characters', () => {
  const most = bounds.promptBytes;
  const text = (bytes: number, char = 'x'): string => `{"a":"${char.repeat((bytes - 8) / Buffer.byteLength(char))}"}`;
  const taken = (workflow: string): string => promptOf(request({ workflow, outline: '{}' })).workflow;
  expect(taken(text(most))).toHaveLength(most);
  for (const beyond of [text(most + 1), text(most + 2, 'é')])
    expect(() => taken(beyond)).toThrow(`has ${Buffer.byteLength(beyond)} bytes; at most ${most} are taken`);
});

it.each<[field: string, what: string, more: object]>([
  ['workflow', 'text that is no JSON', { workflow: '{"1":' }],
  ['workflow', 'text that goes on after its object', { workflow: '{"1":{"class_type":"A","inputs":{}}},"prompt":{}' }],
  ['workflow', 'a list', { workflow: '[]' }],
  ['workflow', 'nothing', { workflow: undefined }],
  ['workflow', 'an object without nodes', { workflow: {} }],
  ['workflow.1', 'a node without a class', { workflow: { '1': { inputs: {} } } }],
  ['workflow', 'what refers to itself', { workflow: cyclic }],
  ['workflow', 'what is nested too deep', { workflow: { '1': { class_type: 'A', inputs: { x: deep(200) } } } }],
  [
    'workflow',
    'what is nested deeper than a stack',
    { workflow: { '1': { class_type: 'A', inputs: { x: deep(1e5) } } } },
  ],
  ['workflow', 'text nested deeper than a stack', { workflow: `{"1":${'['.repeat(1e6)}${']'.repeat(1e6)}}` }],
  ['workflow', 'more nodes than are taken', { workflow: nodes(bounds.nodes + 1) }],
  ['workflow.1', 'a class name longer than is taken', { workflow: { '1': { ...node, class_type: 'c'.repeat(301) } } }],
  ['extraData', 'extra data that is no JSON', { extraData: '{"a":1' }],
  ['extraData', 'extra data that is no object', { extraData: '["a"]' }],
  ['extraData', 'extra data that closes itself', { extraData: '{"a":1},"client_id":"x","y":{}' }],
  ['workflow', 'a number that JSON has not', { workflow: { '1': { class_type: 'A', inputs: { x: Number.NaN } } } }],
  ['extraData', 'a number that JSON has not', { extraData: { x: Infinity } }],
])('R16: %s is refused by name where it is %s', (field, _, more) => {
  expect(() => promptOf(request(more))).toThrow(InvalidRequest);
  expect(() => promptOf(request(more))).toThrow(expect.objectContaining({ field }) as Error);
});

it('a file that was read without an encoding is told with the way out', () => {
  const workflow = readFileSync(__filename);
  expect(() => promptOf(request({ workflow }))).toThrow(
    'workflow is the bytes of a file; give its text, as readFile(file, "utf8") does',
  );
});
