import { endsWithMaker, newNodeRun, withSteps, type NodeRun } from '../../../../../streams/job/progress/node/node-run';

/** What a node may hold or not. Compiles with all of it alone. */
type Extras = Required<{ [F in keyof NodeRun as object extends Pick<NodeRun, F> ? F : never]: NodeRun[F] }>;

const plain = newNodeRun(endsWithMaker, 1, 2);
const extras: Extras = {
  heardFrom: 1,
  first: plain,
  later: [],
  cycles: true,
  owner: 'a',
  displayId: 'b',
  makes: true,
  waits: true,
  turn: 'c',
  doneAt: 1,
  toldValue: 1,
  firstMax: 1,
};
const steps = { value: 3, max: 4, steppedAt: 5, toldMs: 6, paceMs: 7, recentMs: 8 };

test.each([[{}], ...Object.entries(extras).map((extra) => [Object.fromEntries([extra])])])(
  'a node keeps whatever else it holds when it has made a step: %j',
  (extra) => {
    expect(withSteps({ ...plain, ...extra }, steps)).toStrictEqual({ ...plain, ...extra, ...steps });
  },
);
