import { bounds } from '../../bounds';
import { byName, type Durations, type Expected, type Repeated } from './plan/expected';
import { expectations } from './expectations';
import { addNode, type ClassToCome, type Sums } from './classes-to-come';
import type { NodeRun } from './node/node-run';
import type { Plan, PlanNode } from './plan/plan';
import { noVersions, versionsOf, type Versions } from '../../maps/versions';
import { nothingDone, type ThisRun } from './this-run';

/** One run of a job as time passes: what is over, what goes on, and what is still to come. */
export interface RunClock {
  readonly plan: Plan;
  readonly durations: Durations;
  /** When ComfyUI began, ms since 1970. */
  readonly startedAt: number;
  /** Whether its beginning was missed: what was done by then is not known to have taken any time. */
  readonly isLate: boolean;
  /** Since when nobody can hear its steps, while its socket is away. */
  readonly unheardSince?: number | undefined;
  /** When the first of its nodes was heard of. */
  readonly heardAt: number | undefined;
  readonly nodes: Versions<NodeRun>;
  /** The nodes at work. */
  readonly running: readonly string[];
  /** The nodes that are still to come. */
  readonly pending: Versions<Expected>;
  /** What those of each class are expected to take together. */
  readonly byClass: Versions<ClassToCome>;
  readonly cached: ReadonlySet<string>;
  readonly targets: readonly string[];
  /** Whether it loads its models: a sampler's first step then takes longer. */
  readonly isCold: boolean;
  /** What a step of each class takes in this very run, in ms, of the size of the least. */
  readonly paces: Versions<number>;
  /** How this run's nodes compare with what was expected of them. */
  readonly thisRun: ThisRun;
  /** Whether any node has made a step, or is done. */
  readonly hasBegun: boolean;
  /** Whether the server tells by snapshots when a node is done. */
  readonly snapshots: boolean;
  /** How many nodes stand at the front of each snapshot that are done, and the last of them: they are looked at no more. */
  readonly doneInFront: number;
  readonly lastInFront: string | undefined;
  /** The node at work last. */
  readonly current: string | undefined;
  /** What another instance had shown, and when this one went on from there. */
  readonly takenUp: { readonly share: number; readonly at: number };
  /** Whether the clock was set in the midst of it. */
  readonly clockWasSet: boolean;
  /** The share that was shown, when, and after how long the clock moves it. */
  readonly shown: { readonly share: number; readonly at: number; readonly nextMs: number };
}

export interface RunStart {
  readonly at: number;
  readonly durations?: Durations;
  readonly targets?: readonly string[];
  /** What was shown before, and when this run is taken up: the bar goes on from there. */
  readonly share?: number;
  readonly takenUpAt?: number;
  readonly isLate?: boolean;
}

/** Shared by all runs: an empty `Set` takes 200 bytes. */
const noIds: ReadonlySet<string> = new Set();
const nobody: readonly string[] = [];

/** A run that begins. In one literal, of which V8 keeps all fields in the object itself, and in its copies. */
export const runClock = (
  plan: Plan,
  { at, durations = byName, targets = plan.outputs, share = 0, takenUpAt = at, isLate = false }: RunStart,
): RunClock =>
  planned({
    plan,
    durations,
    startedAt: at,
    isLate,
    targets,
    nodes: noVersions,
    running: nobody,
    pending: noVersions,
    byClass: noVersions,
    cached: noIds,
    isCold: true,
    paces: noVersions,
    thisRun: nothingDone,
    hasBegun: false,
    snapshots: false,
    doneInFront: 0,
    lastInFront: undefined,
    heardAt: undefined,
    current: undefined,
    clockWasSet: false,
    unheardSince: undefined,
    shown: { share, at: takenUpAt, nextMs: 0 },
    takenUp: { share, at: takenUpAt },
  });

type Moved = Partial<Pick<RunClock, 'nodes' | 'current' | 'hasBegun' | 'paces' | 'shown'>>;

/** The run with what a frame moves. Field by field: a spread takes V8 of Node 20 ten times as long where each run is made from the one before it. */
export const runWith = (
  run: RunClock,
  { nodes = run.nodes, current = run.current, hasBegun = run.hasBegun, paces = run.paces, shown = run.shown }: Moved,
): Required<RunClock> => ({
  plan: run.plan,
  durations: run.durations,
  startedAt: run.startedAt,
  isLate: run.isLate,
  targets: run.targets,
  nodes,
  running: run.running,
  pending: run.pending,
  byClass: run.byClass,
  cached: run.cached,
  isCold: run.isCold,
  paces,
  thisRun: run.thisRun,
  hasBegun,
  snapshots: run.snapshots,
  doneInFront: run.doneInFront,
  lastInFront: run.lastInFront,
  heardAt: run.heardAt,
  current,
  clockWasSet: run.clockWasSet,
  unheardSince: run.unheardSince,
  shown,
  takenUp: run.takenUp,
});

/** The run with what is still to come worked out anew: what its targets need and has neither run nor is cached. */
export function planned(run: RunClock): RunClock {
  const isCold = run.plan.loaders.some((id) => !run.cached.has(id));
  const pending = new Map<string, Expected>();
  const likeLast = expectations(run.plan, isCold);
  const byClass: Sums = new Map();
  const { nodes } = run.plan;
  const open = run.targets.flatMap((id) => nodes.get(id) ?? []);
  /** By their places in the graph: a set of ids takes six times as long. */
  const seen = new Uint8Array(nodes.size);
  for (const { place } of open) seen[place] = 1;
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { id } = node;
    const at = run.nodes.get(id);
    if (run.cached.has(id) || at?.doneAt !== undefined) continue;
    if (at === undefined) {
      const known = isCold === run.isCold ? run.pending.get(id) : undefined;
      const expected = known ?? withLoop(run, node, likeLast(node, run.durations(node, isCold)));
      pending.set(id, expected);
      addNode(byClass, node, expected);
    }
    for (const input of node.inputs) {
      const before = nodes.get(input);
      if (before === undefined || seen[before.place] === 1) continue;
      seen[before.place] = 1;
      open.push(before);
    }
  }
  return { ...run, isCold, pending: versionsOf(pending), byClass: versionsOf(byClass) };
}

/** Of a loop's last node nothing is known: it is guessed to do what the loop's nodes do, so often more, with models loaded. */
function withLoop({ plan, durations }: RunClock, { loop }: PlanNode, expected: Expected): Expected {
  if (loop === undefined || loop.times <= 1 || expected.trust > 0) return expected;
  const repeats: Repeated[] = [];
  for (const id of loop.body) {
    const node = plan.nodes.get(id);
    if (node !== undefined) repeats.push({ node, expected: durations(node, false), times: loop.times - 1 });
  }
  return { ...expected, repeats };
}

/** The run of a workflow that was not known before. */
export const withPlan = (run: RunClock, plan: Plan): RunClock =>
  run.plan === plan ? run : planned({ ...run, plan, targets: plan.outputs, pending: noVersions });

/** What is planned of a node; of a copy that the run made, of the node behind it. */
export const planNodeOf = ({ plan }: RunClock, id: string, { displayId }: NodeRun): PlanNode | undefined =>
  plan.nodes.get(id) ?? plan.nodes.get(displayId ?? '');

/** Whether a node at work counts its steps, and is not through. */
export const isCounting = ({ running, nodes }: RunClock): boolean =>
  running.some((id) => {
    const { value = 0, max = 0 } = nodes.get(id) ?? {};
    return value > 0 && value < max;
  });

/** `execution_cached`: these nodes do not run, and what only they need does not either. Of a workflow that is not known, as many as it may have. */
export function withCached(run: RunClock, ids: readonly string[]): RunClock {
  const { nodes } = run.plan;
  const known = nodes.size === 0 ? ids.slice(0, bounds.nodes) : ids.filter((id) => nodes.has(id));
  return planned({ ...run, cached: known.length === 0 ? noIds : new Set(known) });
}

/** The output nodes that run, as the queue names them. */
export const withTargets = (run: RunClock, targets: readonly string[]): RunClock =>
  targets === run.targets ? run : planned({ ...run, targets });
