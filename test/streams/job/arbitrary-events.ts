import fc from 'fast-check';
import type { NodeSnapshot } from '../../../streams/job/job-event';
import type { Failure, FailureKind, JobOutput } from '../../../streams/job/job-state';
import type { Graph, GraphNode } from '../../../streams/job/workflow';
import { aFailure, aFile, anOutput, type Fact } from './a-job';

/** Ids of workflow nodes, of nodes that subgraphs make of them, and of nothing at all. */
export const nodeId = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('1', '2', '3', '10') },
  { weight: 2, arbitrary: fc.constantFrom('2.0.0.1', '2.0.0.3.0.0.1', '10.0.0.2') },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', '__proto__', 'constructor', '57:8', '-1') },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
);

const sane = fc.integer({ min: 0, max: 40 });
const mad = fc.oneof(
  fc.double(),
  fc.constantFrom(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
    -1,
    0.5,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
  ),
);
const count = fc.oneof({ weight: 3, arbitrary: sane }, { weight: 1, arbitrary: mad });

const snapshotNode: fc.Arbitrary<NodeSnapshot> = fc.record(
  { id: nodeId, value: count, max: count, finished: fc.boolean(), parentId: nodeId, displayId: nodeId },
  { requiredKeys: ['id', 'value', 'max', 'finished'] },
);

const outputs: fc.Arbitrary<readonly JobOutput[]> = fc.array(
  nodeId.map((id) => anOutput(id)),
  { maxLength: 3 },
);

const failure: fc.Arbitrary<Failure> = fc
  .constantFrom<FailureKind>('node_error', 'out_of_memory', 'interrupted')
  .map((kind) => aFailure(kind));

const graphNode: fc.Arbitrary<GraphNode> = fc.record({
  type: fc.constantFrom('', 'KSampler', 'VAEDecode', 'CheckpointLoader'),
  inputs: fc.array(nodeId, { maxLength: 3 }),
  links: fc
    .array(fc.tuple(fc.constantFrom('steps', 'sigmas', 'model'), nodeId), { maxLength: 2 })
    .map((links) => new Map(links)),
  literals: fc
    .array(
      fc.tuple(
        fc.constantFrom('steps', 'width', 'ckpt_name', 'end_at_step'),
        fc.oneof(
          fc.integer(),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.constant('20'),
          fc.constant(Number.MAX_VALUE),
        ),
      ),
      { maxLength: 3 },
    )
    .map((literals) => new Map<string, number | string>(literals)),
});

/** Workflows of a few nodes; ids that lead nowhere and circles among them. */
export const arbitraryGraph: fc.Arbitrary<Graph> = fc
  .array(fc.tuple(nodeId, graphNode), { maxLength: 6 })
  .map((nodes) => new Map(nodes));

/** What a running job's frames say, its end excepted. */
export const step: fc.Arbitrary<Fact> = fc.oneof(
  fc.constant<Fact>({ tag: 'started' }),
  fc.record({ tag: fc.constant('cached' as const), nodeIds: fc.array(nodeId, { maxLength: 3 }) }),
  fc.record({ tag: fc.constant('executing' as const), nodeId, displayId: nodeId }, { requiredKeys: ['tag', 'nodeId'] }),
  fc.record(
    { tag: fc.constant('stepped' as const), nodeId, value: count, max: count },
    { requiredKeys: ['tag', 'value', 'max'] },
  ),
  // ComfyUI sends them by their ids.
  fc.record({
    tag: fc.constant('snapshot' as const),
    nodes: fc.uniqueArray(snapshotNode, { maxLength: 5, selector: ({ id }) => id }),
  }),
);

/** Looks that find the job in hand. */
export const sighting: fc.Arbitrary<Fact> = fc.record(
  {
    tag: fc.constant('found' as const),
    where: fc.constantFrom('pending' as const, 'running' as const),
    ahead: fc.nat(9),
    graph: arbitraryGraph,
    targets: fc.array(nodeId, { maxLength: 3 }),
  },
  { requiredKeys: ['tag', 'where'] },
);

const absent = fc.constant<Fact>({ tag: 'absent' });

/** Any fact at all, ends among them. */
export const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  { weight: 12, arbitrary: step },
  { weight: 3, arbitrary: sighting },
  { weight: 2, arbitrary: fc.record({ tag: fc.constant('executed' as const), nodeId, outputs }) },
  { weight: 2, arbitrary: absent },
  { weight: 1, arbitrary: fc.constant<Fact>({ tag: 'succeeded' }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('broke' as const), failure }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('ended' as const), outcome: fc.oneof(outputs, failure) }) },
  { weight: 1, arbitrary: fc.constantFrom<Fact>({ tag: 'unended' }, { tag: 'unanswered' }, { tag: 'unreadable' }) },
  { weight: 1, arbitrary: nodeId.map((id): Fact => ({ tag: 'pictured', output: aFile(id), bytes: 9 })) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('accepted' as const), postedAt: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ tag: fc.constant('refused' as const), failure }) },
  { weight: 1, arbitrary: fc.constant<Fact>({ tag: 'cancelAsked' }) },
  { weight: 1, arbitrary: fc.constant<Fact>({ tag: 'abandoned' }) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('r2', 'r3')
      .map((runId): Fact => ({ tag: 'posting', runId, clientId: 'c', serverUrl: 'http://elsewhere' })),
  },
);

/** A job as a server that missed nothing would tell of it: its frames in order, and what its history says in the end. */
export interface Told {
  readonly frames: readonly Fact[];
  readonly outcome: readonly JobOutput[] | Failure;
  /** What it had finished, where it failed. */
  readonly outputs: readonly JobOutput[];
}

export const toldJob: fc.Arbitrary<Told> = fc
  .record({
    steps: fc.array(step, { maxLength: 20 }),
    ids: fc.uniqueArray(fc.constantFrom('3', '10', '9', '2.0.0.3'), { maxLength: 4 }),
    broke: fc.option(failure, { freq: 2 }),
  })
  .map(({ steps, ids, broke }) => {
    const executed = ids.map((id): Fact => ({
      tag: 'executed',
      nodeId: id,
      outputs: [anOutput(id, 'a.png'), anOutput(id, 'b.png')],
    }));
    const end: Fact = broke === null ? { tag: 'succeeded' } : { tag: 'broke', failure: broke };
    const all = executed.flatMap((fact) => (fact.tag === 'executed' ? fact.outputs : []));
    // History holds each node's files in their order, and the nodes in any.
    const outputs = ids.toReversed().flatMap((id) => all.filter((output) => output.nodeId === id));
    return {
      frames: [{ tag: 'started' }, ...steps, ...executed, end],
      outcome: broke ?? outputs,
      outputs: broke === null ? [] : outputs,
    };
  });

/** Puts looks among frames: the looks' own order is kept, and so is the frames'. */
export const interleaved = (frames: readonly Fact[], looks: readonly Fact[]): fc.Arbitrary<readonly Fact[]> =>
  fc.array(fc.nat(frames.length), { minLength: looks.length, maxLength: looks.length }).map((places) => {
    const ordered = [...places].sort((a, b) => a - b);
    return [
      ...frames.map((fact, index) => [index + 0.5, fact] as const),
      ...looks.map((fact, index) => [ordered[index]!, fact] as const),
    ]
      .sort(([a], [b]) => a - b)
      .map(([, fact]) => fact);
  });
