import fc from 'fast-check';
import type { JobStore } from '../../../sinks/job-store';
import { anInstance, closeAll, takenUp, type Instance } from '../../support/pipeline/pipelines';
import { aStore } from '../../support/pipeline/stores';
import { talkingServer, type TalkingServer } from '../../support/network/talking-server';
import { runs } from '../../support/jest/runs';

let server: TalkingServer;
beforeAll(async () => {
  server = await talkingServer();
});
afterAll(async () => {
  await closeAll();
  await server.close();
});

const id = fc.oneof(
  fc.constantFrom('1', '2', '__proto__', 'constructor', 'toString', '', '.', '1.0.0.1'),
  fc.nat(300).map((length) => '.'.repeat(length)),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const link = fc.tuple(id, fc.oneof(fc.nat(3), fc.double()));
const nested = (depth: number): unknown => {
  let value: unknown = 0;
  for (let n = 0; n < depth; n += 1) value = [value];
  return value;
};
const value = fc.oneof(
  fc.jsonValue(),
  link,
  fc.constantFrom<unknown>(Number.MAX_VALUE, -0, 1e400, '', null),
  fc.nat(3_000).map(nested),
);
const node = fc.oneof(
  { weight: 5, arbitrary: fc.record({ class_type: id, inputs: fc.dictionary(id, value, { maxKeys: 6 }) }) },
  { weight: 1, arbitrary: value },
);
/** Workflows as text: circles, ids that lead nowhere or everywhere, what is no node, what is no JSON. */
const workflow = fc.oneof(
  { weight: 8, arbitrary: fc.dictionary(id, node, { maxKeys: 8 }).map((nodes) => JSON.stringify(nodes)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '{', 'null', '[]', '{"1":null}', '{"__proto__":{"class_type":"A","inputs":{}}}'),
  },
);

const fields = fc.dictionary(
  fc.constantFrom('node', 'node_id', 'display_node', 'value', 'max', 'nodes', 'output', 'exception_type', 'traceback'),
  fc.oneof(value, id),
);
const frame = fc.record({
  type: fc.constantFrom(
    ...[
      'execution_start',
      'execution_cached',
      'executing',
      'progress',
      'progress_state',
      'executed',
      'execution_error',
    ],
  ),
  data: fields,
});

const request = { type: 'image_generation', userId: 'ada' };
/** The server lists no jobs; a machine that is busy must not take them for lost before they are told of. */
const timing = { lostAfterMs: 600_000 };
const instance = (store: () => JobStore = aStore) => anInstance({ servers: [server.url], store, timing });

/** Two jobs of one pipeline and one session: what is said of the first is arbitrary, the second is run as it should be. */
async function both(run: Instance['run'], hostile: string, frames: readonly string[]) {
  const victim = await run({ '1': { class_type: 'KSampler', inputs: { steps: 3 } } }, request);
  // With an outline it is not looked at, as what an older instance has stored is not.
  const { promptId } = await run(hostile as unknown as object, { ...request, outline: hostile });
  const say = (type: string, data: object): void =>
    server.say(JSON.stringify({ type, data: { prompt_id: victim.promptId, ...data } }));
  const half = Math.ceil(frames.length / 2);
  const sayHostile = (some: readonly string[]): void =>
    some.forEach((text) => server.say(text.replaceAll('"$id"', JSON.stringify(promptId))));
  say('execution_start', {});
  sayHostile(frames.slice(0, half));
  say('executing', { node: '1' });
  const output = { images: [{ filename: 'a.png', subfolder: '', type: 'output' }] };
  say('executed', { node: '1', output });
  server.end(victim.promptId, { '1': output });
  sayHostile(frames.slice(half));
  say('execution_success', {});
  return { victim: await victim.end, promptId };
}

test('[R15] whatever one job’s workflow and frames hold, the job beside it ends right, and the pipeline goes on', async () => {
  const { pipeline, run } = instance();
  const framesOfIt = fc.array(
    frame.map(({ type, data }) => JSON.stringify({ type, data: { ...data, prompt_id: '$id' } })),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(workflow, framesOfIt, async (hostile, frames) => {
      const { victim, promptId } = await both(run, hostile, frames);
      expect(victim).toMatchObject({
        status: 'completed',
        progress: 100,
        outputs: [{ nodeId: '1', filename: 'a.png' }],
      });
      await pipeline.cancel(promptId);
    }),
    { numRuns: runs(10), endOnFailure: true },
  );
  expect(await Promise.race([pipeline.closed, Promise.resolve('open')])).toBe('open');
});

test.each([
  ['130,000 links', () => ({ '1': { class_type: 'A', inputs: Object.fromEntries(many(130_000)) } })],
  ['20,000 nodes in a row', () => Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => inARow(n)))],
])('[R15] a job of %s harms no other, nor whoever takes it up', async (_, hostile) => {
  const store = `hostile-${_}`;
  const one = instance(() => aStore(undefined, store));
  const { victim, promptId } = await both(one.run, JSON.stringify(hostile()), [
    JSON.stringify({ type: 'execution_start', data: { prompt_id: '$id' } }),
    JSON.stringify({ type: 'progress', data: { prompt_id: '$id', node: '1', value: 1, max: 2 } }),
  ]);
  expect(victim).toMatchObject({ status: 'completed' });
  await one.pipeline.close();
  const other = instance(() => aStore(undefined, store));
  await takenUp(other.pipeline, promptId);
  expect(await both(other.run, '{}', [])).toMatchObject({ victim: { status: 'completed' } });
});

const many = (count: number): readonly [string, unknown][] =>
  Array.from({ length: count }, (_, n) => [`in${n}`, [`no${n}`, 0]]);
const inARow = (n: number): [string, unknown] => [
  String(n),
  { class_type: 'A', inputs: n === 0 ? {} : { from: [String(n - 1), 0] } },
];
