import fc from 'fast-check';
import { checkedBody, type Checked } from '../../../../gateway/http/bodies/check';
import { bounds } from '../../../../streams/bounds';
import { graphOf, graphOfPrompt } from '../../../../streams/job/workflow';
import { body, check } from './a-body';

const node = { class_type: 'X', inputs: {} };
const errors = (checked: Checked) => (checked.tag === 'refused' ? (checked.details.errors ?? []) : []);
const fields = (checked: Checked) => errors(checked).map(({ field }) => field);
const request = (text: string) => {
  const checked = checkedBody({ kind: 'submit', chunks: [Buffer.from(text)], needsUser: false, wantsDigest: false });
  if (checked.tag === 'refused') throw new Error(JSON.stringify(checked));
  if (checked.body.tag !== 'workflow') throw new Error('no workflow');
  return checked.body.request;
};

describe('[R18] what goes to ComfyUI is the text that was sent:', () => {
  test.each([
    '{"1":{"class_type":"X","inputs":{"seed":12345678901234567891}}}',
    '{"1":{"class_type":"X","inputs":{"seed":18446744073709551615,"cfg":1.0,"e":1E+2,"z":-0}}}',
    '{ "9" : {"inputs":{}, "class_type":"X", "is_changed":[1.50], "_meta":{"title":"ä"}} ,\n"1":{"class_type":"Y","inputs":{}} }',
    '{"1":{"class_type":"X","inputs":{"text":"\\u00e4\\/ \\"}{][,:"}}}',
    '{"__proto__":{"class_type":"X","inputs":{"seed":9007199254740993}}}',
  ])('%s', (workflow) => {
    expect(request(`{"type":"t", "workflow" :${workflow} , "userId":"u"}`).workflow).toBe(workflow);
    expect(request(`{"type":"t","userId":"u","w\\u006frkflow":${workflow}}`).workflow).toBe(workflow);
    expect(request(body(workflow)).workflow).toBe(workflow);
  });

  test('`extraData` too, and what else a run is told', () => {
    const extra = '{"api_key_comfy_org":"k","n":12345678901234567891}';
    const rest = '"front":true,"number":1.5,"partialExecutionTargets":["1"],"timeoutMs":60000';
    expect(
      request(`{"type":"t","userId":"u","workflow":{"1":${JSON.stringify(node)}},"extraData":${extra},${rest}}`),
    ).toEqual({
      type: 't',
      userId: 'u',
      workflow: `{"1":${JSON.stringify(node)}}`,
      extraData: extra,
      front: true,
      number: 1.5,
      partialExecutionTargets: ['1'],
      timeoutMs: 60_000,
    });
  });

  test('with a large one comes what progress needs of it, so that nobody else has to read it', () => {
    const workflow = JSON.stringify({
      '1': { class_type: 'KSampler', inputs: { steps: 20, text: 'x'.repeat(300_000), model: ['2', 0] } },
      '2': { class_type: 'Loader', inputs: {}, _meta: { title: 'a model' } },
    });
    const { outline = '' } = request(body(workflow));
    expect(outline.length).toBeLessThan(300);
    expect(graphOfPrompt({ workflow, outline })).toEqual(graphOfPrompt({ workflow }));
    expect(request(body('{"1":{"class_type":"X","inputs":{}}}'))).not.toHaveProperty('outline');
  });

  test('any workflow, any whitespace', () => {
    const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/);
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ maxLength: 20 }), fc.jsonValue(), { maxKeys: 5 }),
        space,
        space,
        (inputs, a, b) => {
          const workflow = JSON.stringify({ '1': { class_type: 'X', inputs } });
          expect(request(`{${a}"type":"t",${b}"userId":"u"${a},"workflow"${b}:${a}${workflow}${b}}${a}`).workflow).toBe(
            workflow,
          );
        },
      ),
    );
  });

  test('metadata is kept as JavaScript has it, so a digit that it would change is refused', () => {
    expect(
      fields(
        check(
          '{"type":"t","userId":"u","workflow":{"1":{"class_type":"X","inputs":{}}},"metadata":{"id":9007199254740993}}',
        ),
      ),
    ).toEqual(['metadata']);
    expect(check(body({ '1': node }, { metadata: { id: 2 ** 53 - 1, text: '9007199254740993', x: 0.1 } })).tag).toBe(
      'good',
    );
  });
});

test.each([
  ['too large', '1e400', 'too large or too small'],
  ['too large, within', '[{"a": -1.5E+400}]', 'too large or too small'],
  ['too large, in digits', `${'9'.repeat(400)}.5`, 'too large or too small'],
  ['too small', '1e-400', 'too large or too small'],
  ['too small, in digits', `0.${'0'.repeat(400)}1`, 'too large or too small'],
  ['an integer over 2^53, of a key that is given twice', '9007199254740993, "n": 1', 'over 2^53'],
  ['an integer that no double holds', `1${'0'.repeat(400)}`, 'over 2^53'],
])('[R18] metadata holds no number that would be kept as another: %s', (_what, value, why) => {
  const text = `{"type":"t","userId":"u","workflow":{"1":{"class_type":"X","inputs":{}}},"metadata":{"n":${value}}}`;
  const said = { field: 'metadata', message: expect.stringContaining(why) as string };
  expect(errors(check(text))).toEqual(expect.arrayContaining([said]));
});

test.each(['1e308', '-5e-324', '0e999', '-0.0E-400', '1e0010', '0.1234567890123456789', '"1e400 and \\"1e400"'])(
  'metadata is taken with %s',
  (value) => {
    const text = `{"type":"t","userId":"u","workflow":{"1":{"class_type":"X","inputs":{}}},"metadata":{"1e400":${value}}}`;
    expect(check(text).tag).toBe('good');
  },
);

test.each([
  ['metadata', '{"a":1,"a":2}', 'a'],
  ['metadata', '{"b":[{"a":{}},{"x":"\\"a\\":1","a" : 1,"\\u0061":2}]}', 'a'],
  ['webhook', '{"url":"https://a.example","url":"https://b.example"}', 'url'],
])('[R18] of two fields of one name none is dropped in silence: %s %s', (field, value, name) => {
  const text = `{"type":"t","userId":"u","workflow":{"1":{"class_type":"X","inputs":{}}},"${field}":${value}}`;
  expect(errors(check(text))).toEqual([{ field, message: `has ${name} twice` }]);
});

test('one name in several objects is given once in each', () => {
  const metadata = '{"a":{"a":[{"a":1},{"a":"\\"a\\":"}]},"b":["a","a"]}';
  const text = `{"type":"t","userId":"u","workflow":{"1":{"class_type":"X","inputs":{}}},"metadata":${metadata}}`;
  expect(check(text).tag).toBe('good');
});

test('[R18] metadata is not padded past what is searched for fields that JSON.parse would drop', () => {
  const padded = (blanks: number) =>
    body({ '1': node }, { metadata: 1 }).replace('"metadata":1', `"metadata":{"n":1,${' '.repeat(blanks)}"n":2}`);
  expect(errors(check(padded(1_000)))).toEqual([{ field: 'metadata', message: 'has n twice' }]);
  const message = expect.stringMatching(/^has \d+ characters of JSON; at most 262144 are taken$/) as string;
  expect(errors(check(padded(300_000)))).toEqual([{ field: 'metadata', message }]);
});

test.each(['x', '漢', '🎨'])('[R16] metadata is as long as its bytes in UTF-8, of %s as of any other', (character) => {
  const bytes = Buffer.byteLength(character);
  const fitting = Math.floor((bounds.metadataBytes - '{"a":""}'.length) / bytes);
  const long = (times: number) => check(body({ '1': node }, { metadata: { a: character.repeat(times) } }));
  expect(long(fitting).tag).toBe('good');
  const has = `has ${'{"a":""}'.length + (fitting + 1) * bytes} bytes`;
  expect(errors(long(fitting + 1))).toEqual([{ field: 'metadata', message: expect.stringContaining(has) as string }]);
});

describe('[R18] what is not known is refused by name:', () => {
  test.each([
    [{ extra_data: {} }, 'extra_data', 'did you mean extraData?'],
    [{ onlost: 'resubmit' }, 'onlost', 'did you mean onLost?'],
    [{ maxAttemps: 2 }, 'maxAttemps', 'did you mean maxAttempts?'],
    [{ partial_execution_targets: [] }, 'partial_execution_targets', 'did you mean partialExecutionTargets?'],
    [{ completelyDifferent: 1 }, 'completelyDifferent', 'is not known'],
    [JSON.parse('{"__proto__":{"a":1}}') as object, '__proto__', 'is not known'],
    [{ constructor: 1 }, 'constructor', 'is not known'],
  ])('%j', (more, field, hint) => {
    const text = `${body({ '1': node }).slice(0, -1)},${JSON.stringify(more).slice(1)}`;
    expect(errors(check(text))).toEqual([{ field, message: expect.stringContaining(hint) as string }]);
  });
  test('a body that tracks knows no workflow', () =>
    expect(fields(check(body({ '1': node }), false, 'track'))).toEqual(['workflow']));
  test('fields given twice', () =>
    expect(
      fields(check('{"type":"a","userId":"u","type":"b","workflow":{"1":{"class_type":"X","inputs":{}}}}')),
    ).toEqual(['type']));
  test('a webhook’s fields', () =>
    expect(fields(check(body({ '1': node }, { webhook: { url: 'https://a', secret: 'x' } })))).toEqual(['webhook']));
});

test('whose job it is may be left out where the token tells', () => {
  const text = JSON.stringify({ type: 't', workflow: { '1': node } });
  expect(check(text)).toMatchObject({ tag: 'good' });
  expect(fields(check(text, true))).toEqual(['userId']);
});

test.each<[string, string, RegExp]>([
  ['UI format', body({ nodes: [], links: [] }), /UI format; export it/],
  ['UI format as text', body('{"nodes":[],"links":[]}'), /UI format; export it/],
  ['a whole body for /prompt', body({ prompt: { '1': node } }), /send what is under its "prompt"/],
  ['text that is no JSON', body('{"1":'), /text that is no JSON/],
  ['a node without a class', body({ '3': { inputs: {} } }), /workflow\.3 has no class_type/],
  ['a node without inputs', body({ '3': { class_type: 'X' } }), /workflow\.3 has no inputs/],
  ['a list', body([]), /must be a workflow/],
])('%s is told with the way out', (_what, text, detail) => {
  const checked = check(text);
  expect(checked.tag === 'refused' && checked.details.detail).toMatch(detail);
});

describe('[R16] bounds, named with what was found:', () => {
  const many = (count: number, each: (n: number) => unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n), each(n)]));
  const links = (count: number) => ({ class_type: 'X', inputs: many(count, () => ['1', 0]) });
  test.each<[string, unknown, string, RegExp]>([
    ['nodes', many(bounds.nodes + 1, () => node), 'workflow', /has 10001 nodes; at most 10000/],
    ['links into a node', { '1': links(bounds.linksPerNode + 1) }, 'workflow.1', /has 1001 links; at most 1000/],
    [
      'links in all',
      many(bounds.links / bounds.linksPerNode + 1, () => links(bounds.linksPerNode)),
      'workflow',
      /over 50000 links/,
    ],
    [
      'an id',
      { ['x'.repeat(bounds.nodeIdLength + 1)]: node },
      `workflow.${'x'.repeat(100)}…`,
      /201 characters; at most 200/,
    ],
    ['a class', { '1': { class_type: 'x'.repeat(301), inputs: {} } }, 'workflow.1', /301 characters; at most 300/],
  ])('%s', (_what, workflow, field, message) => {
    for (const text of [body(workflow), body(JSON.stringify(workflow))])
      expect(errors(check(text))).toEqual([{ field, message: expect.stringMatching(message) as string }]);
  });
  test.each([
    ['levels', `{"a":${'['.repeat(1000)}`],
    ['values', `{"type":[${'0,'.repeat(bounds.bodyValues)}0]}`],
    ['fields', `{${Array.from({ length: 200 }, (_, n) => `"x${n}":0`).join(',')}}`],
  ])('%s of a body', (bound, text) => {
    const checked = check(text);
    expect(errors(checked)).toEqual([{ field: 'body', message: expect.stringContaining(bound) as string }]);
  });
  test('at the bounds all is taken', () => {
    expect(check(body(many(bounds.nodes, () => node))).tag).toBe('good');
    expect(check(body(many(bounds.links / bounds.linksPerNode, () => links(bounds.linksPerNode)))).tag).toBe('good');
    expect(check(body({ ['ä'.repeat(bounds.nodeIdLength)]: { class_type: '🎨'.repeat(300), inputs: {} } })).tag).toBe(
      'good',
    );
  });
  test('of a hundred thousand errors a few are named', () =>
    expect(errors(check(body(many(9_999, () => 0)))).length).toBe(bounds.fieldErrors));
  test('a title is cut where it is shown, and reaches ComfyUI whole', () => {
    const workflow = { '1': { ...node, _meta: { title: 'x'.repeat(100_000) } } };
    expect(request(body(workflow)).workflow).toBe(JSON.stringify(workflow));
    expect(graphOf(workflow).get('1')?.title).toBe('x'.repeat(bounds.titleLength));
  });
});
