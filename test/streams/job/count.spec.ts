import fc from 'fast-check';
import { done, executing, fractionDone, snapshot, stepped, stepsAreDone } from '../../../streams/job/progress/progress';
import { newTally, type Tally } from '../../../streams/job/progress/tally';
import { fractionOf, isOwn, ownerOf, weightOf } from '../../../streams/job/progress/weights';
import { graphOf, sinksOf, type Graph } from '../../../streams/job/workflow';

/** What the sums must be, taken over the whole workflow. */
function taken(graph: Graph, tally: Tally): { fraction: number; stepsDone: boolean } {
  const made = new Map<string, { weight: number; finished: number }>();
  const nodes = new Map(tally.nodes.entries());
  for (const [id, node] of nodes) {
    if (isOwn(graph, id)) continue;
    const owner = ownerOf(graph, tally, id);
    const weight = weightOf(graph, id, node);
    const sum = made.get(owner) ?? { weight: 0, finished: 0 };
    made.set(owner, { weight: sum.weight + weight, finished: sum.finished + weight * fractionOf(node) });
  }
  let [total, finished] = [0, 0];
  const seen = new Set<string>();
  const count = (id: string, weight: number, share: number): void => {
    total += weight;
    finished += weight * share;
    seen.add(id);
  };
  for (const [id, node] of nodes)
    if (node.done && isOwn(graph, id)) count(id, weightOf(graph, id, node) + (made.get(id)?.weight ?? 0), 1);
  const open = [...(tally.targets ?? sinksOf(graph))];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id) || tally.cached.has(id)) continue;
    const weight = weightOf(graph, id, nodes.get(id));
    const subgraph = made.get(id);
    if (subgraph === undefined) count(id, weight, fractionOf(nodes.get(id)));
    else count(id, weight + subgraph.weight, subgraph.finished / (weight + subgraph.weight));
    for (const input of graph.get(id)?.inputs ?? []) open.push(input);
  }
  const ids = [...new Set([...graph.keys(), ...nodes.keys()])];
  const long = ids.filter(
    (id) => Math.max(nodes.get(id)?.max ?? 1, graph.get(id)?.steps ?? 1) > 1 && !tally.cached.has(id),
  );
  const stepsDone = long.length > 0 && long.every((id) => fractionOf(nodes.get(id)) === 1);
  return { fraction: total === 0 ? 0 : finished / total, stepsDone };
}

/** Workflows without circles: each node reads from some before it. */
const workflow: fc.Arbitrary<Graph> = fc
  .array(
    fc.record({ reads: fc.array(fc.nat(20), { maxLength: 3 }), steps: fc.option(fc.integer({ min: 2, max: 9 })) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((nodes) =>
    graphOf(
      Object.fromEntries(
        nodes.map(({ reads, steps }, index) => {
          const links: readonly (readonly [string, unknown])[] =
            index === 0 ? [] : reads.map((read, n) => [`in${n}`, [String(read % index), 0]]);
          return [
            String(index),
            { class_type: 'Node', inputs: { ...Object.fromEntries(links), ...(steps && { steps }) } },
          ];
        }),
      ),
    ),
  );

const id = fc.oneof(fc.nat(12).map(String), fc.constantFrom('3.0.0.1', '3.0.0.2', '5.0.0.1'));
const number = fc.nat(9);
const seen = fc.record({ id, value: number, max: number, finished: fc.boolean() });
type Fact = (tally: Tally, graph: Graph) => Tally;
const fact: fc.Arbitrary<Fact> = fc.oneof(
  id.map(
    (id): Fact =>
      (tally, graph) =>
        executing(tally, graph, id),
  ),
  fc.tuple(id, number, number).map(
    ([id, value, max]): Fact =>
      (tally, graph) =>
        stepped(tally, graph, id, value, max),
  ),
  id.map(
    (id): Fact =>
      (tally) =>
        done(tally, id),
  ),
  fc.array(seen, { maxLength: 4 }).map(
    (nodes): Fact =>
      (tally) =>
        snapshot(tally, nodes),
  ),
  fc.array(id, { maxLength: 3 }).map((ids): Fact => (tally) => ({ ...tally, cached: new Set(ids) })),
  fc.array(id, { maxLength: 3 }).map((targets): Fact => (tally) => ({ ...tally, targets })),
);

test('what is carried from frame to frame is what is taken over the whole workflow', () => {
  fc.assert(
    fc.property(workflow, fc.array(fact, { maxLength: 25 }), (graph, facts) => {
      let tally = newTally();
      for (const next of facts) {
        tally = next(tally, graph);
        const { fraction, stepsDone } = taken(graph, tally);
        expect(fractionDone(graph, tally)).toBeCloseTo(fraction, 9);
        expect(stepsAreDone(graph, tally)).toBe(stepsDone);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('an older tally still says what it said', () => {
  fc.assert(
    fc.property(workflow, fc.array(fact, { maxLength: 12 }), (graph, facts) => {
      const tallies = facts.reduce<Tally[]>(
        (all, next) => [...all, next(all.at(-1) ?? newTally(), graph)],
        [newTally()],
      );
      const said = tallies.map((tally) => taken(graph, tally));
      for (const [index, tally] of [...tallies.entries()].reverse()) {
        expect(fractionDone(graph, tally)).toBeCloseTo(said[index]!.fraction, 9);
        expect(taken(graph, tally)).toEqual(said[index]);
      }
    }),
  );
});

test('[R17] a frame visits what it changes, not the workflow', () => {
  const size = 20_000;
  const chain = graphOf(
    Object.fromEntries(
      Array.from({ length: size }, (_, n) => [
        String(n),
        { class_type: 'Node', inputs: n === 0 ? {} : { image: [String(n - 1), 0] } },
      ]),
    ),
  );
  let visits = 0;
  const counting: Graph = new Proxy(chain as Map<string, never>, {
    get: (target, name) => {
      visits++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  let tally = newTally();
  fractionDone(counting, tally);
  visits = 0;
  for (let n = 0; n < 1_000; n++) {
    tally = snapshot(executing(tally, counting, String(n)), [{ id: String(n), value: 1, max: 1, finished: true }]);
    fractionDone(counting, tally);
    stepsAreDone(counting, tally);
  }
  expect(visits).toBeLessThan(1_000 * 100);
  expect(fractionDone(counting, tally)).toBeCloseTo(1_000 / size, 9);
});
