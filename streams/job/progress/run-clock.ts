import { bounds } from '../../bounds';
import { byName, type Durations, type Expected, type Repeated } from './plan/expected';
import { expectations } from './expectations';
import { addNode, type ClassToCome, type Sums } from './classes-to-come';
import type { NodeRun } from './node/node-run';
import type { Plan, PlanNode } from './plan/plan';
import { noVersions, versionsOf, type Versions } from '../../maps/versions';
import { nothingDone, type ThisRun } from './this-run';

/** One run of a job: its nodes that are done, at work and still to come, with their times. */
export interface RunClock {
  readonly plan: Plan;
  readonly durations: Durations;
  /** When ComfyUI began to run it, ms since 1970. */
  readonly startedAt: number;
  /** The same by the server's own clock, if a frame said so. */
  readonly saidAt?: number | undefined;
  /** Whether its beginning was missed: how long its first nodes took is not known, and nothing is learned of it. */
  readonly isLate: boolean;
  /** Since when its frames cannot come, as its socket is away. */
  readonly unheardSince?: number | undefined;
  /** When the first frame about one of its nodes came. */
  readonly heardAt: number | undefined;
  readonly nodes: Versions<NodeRun>;
  /** The nodes at work. */
  readonly running: readonly string[];
  /** The nodes that are still to come, with their expected times. */
  readonly pending: Versions<Expected>;
  /** The sums of `pending` by class. */
  readonly byClass: Versions<ClassToCome>;
  readonly cached: ReadonlySet<string>;
  /** The nodes that began before their inputs. */
  readonly lazy: ReadonlyMap<string, Lazy>;
  readonly targets: readonly string[];
  /** Whether it loads its models: then a sampler's first step takes longer. */
  readonly isCold: boolean;
  /** The time of a step of each class in this run, ms ÷ the node's `size`. */
  readonly paces: Versions<number>;
  /** How long this run's finished nodes took, compared with what was expected. */
  readonly thisRun: ThisRun;
  /** Whether any node has made a step, or is done. */
  readonly hasBegun: boolean;
  /** Whether the server sends snapshots (`progress_state`), which tell when a node is done. */
  readonly snapshots: boolean;
  /** How many finished nodes each snapshot begins with, and the last of those: they are not looked at again. */
  readonly doneInFront: number;
  readonly lastInFront: string | undefined;
  /** The node that was at work last. */
  readonly current: string | undefined;
  /** The share that was shown before this instance took the run up, and when it did. */
  readonly takenUp: { readonly share: number; readonly at: number };
  /** Whether the clock was set during the run. */
  readonly clockWasSet: boolean;
  /** The share that is shown, since when, and after how many ms the clock moves it. */
  readonly shown: { readonly share: number; readonly at: number; readonly nextMs: number };
}

/** A node that began before its inputs: whether it has asked for one, and the inputs that it is expected to do without. */
export interface Lazy {
  readonly hasAsked: boolean;
  readonly without: readonly string[];
}

export interface RunStart {
  readonly at: number;
  readonly durations?: Durations;
  readonly targets?: readonly string[];
  /** The share that was shown before, from which the bar goes on, and when this run is taken up. */
  readonly share?: number;
  readonly takenUpAt?: number;
  readonly isLate?: boolean;
}

/** Shared by all runs: an empty `Set` takes 200 bytes. */
const noIds: ReadonlySet<string> = new Set();
const nobody: readonly string[] = [];
const noneLazy: RunClock['lazy'] = new Map();

/** A run that begins. One literal, so that V8 keeps all fields in the object itself, and in its copies. */
export const runClock = (
  plan: Plan,
  { at, durations = byName, targets = plan.outputs, share = 0, takenUpAt = at, isLate = false }: RunStart,
): RunClock =>
  planned({
    plan,
    durations,
    startedAt: at,
    saidAt: undefined,
    isLate,
    targets,
    nodes: noVersions,
    running: nobody,
    pending: noVersions,
    byClass: noVersions,
    cached: noIds,
    lazy: noneLazy,
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

/**
 * The run with the fields that a frame changes. Written field by field: where each run is made from the one before, V8
 * of Node 20 takes ten times as long for a spread.
 */
export const runWith = (
  run: RunClock,
  { nodes = run.nodes, current = run.current, hasBegun = run.hasBegun, paces = run.paces, shown = run.shown }: Moved,
): Required<RunClock> => ({
  plan: run.plan,
  durations: run.durations,
  startedAt: run.startedAt,
  saidAt: run.saidAt,
  isLate: run.isLate,
  targets: run.targets,
  nodes,
  running: run.running,
  pending: run.pending,
  byClass: run.byClass,
  cached: run.cached,
  lazy: run.lazy,
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

/** The run with `pending` computed again: all that its targets need and that has neither run nor is cached. */
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
    let without = run.lazy.get(id)?.without;
    if (at === undefined) {
      const known = isCold === run.isCold ? run.pending.get(id) : undefined;
      const expected = known ?? withLoop(run, node, likeLast(node, run.durations(node, isCold)));
      without = expected.without;
      pending.set(id, expected);
      addNode(byClass, node, expected);
    }
    for (const input of node.inputs) {
      const before = nodes.get(input);
      if (before === undefined || seen[before.place] === 1 || without?.includes(input) === true) continue;
      seen[before.place] = 1;
      open.push(before);
    }
  }
  return { ...run, isCold, pending: versionsOf(pending), byClass: versionsOf(byClass) };
}

/**
 * The expected time of a loop's last node, if not measured: guessed to repeat the loop's nodes for each further round,
 * warm.
 */
function withLoop({ plan, durations }: RunClock, { loop }: PlanNode, expected: Expected): Expected {
  if (loop === undefined || loop.times <= 1 || expected.trust > 0) return expected;
  const repeats: Repeated[] = [];
  for (const id of loop.body) {
    const node = plan.nodes.get(id);
    if (node !== undefined) repeats.push({ node, expected: durations(node, false), times: loop.times - 1 });
  }
  return { ...expected, repeats };
}

/** The run with a plan that was not known before. */
export const withPlan = (run: RunClock, plan: Plan): RunClock =>
  run.plan === plan ? run : planned({ ...run, plan, targets: plan.outputs, pending: noVersions });

/** A node's plan; for a copy that the run made, that of the copied node. */
export const planNodeOf = ({ plan }: RunClock, id: string, { displayId }: NodeRun): PlanNode | undefined =>
  plan.nodes.get(id) ?? plan.nodes.get(displayId ?? '');

/** Whether a node at work is between its first and its last step. */
export const isCounting = ({ running, nodes }: RunClock): boolean =>
  running.some((id) => {
    const { value = 0, max = 0 } = nodes.get(id) ?? {};
    return value > 0 && value < max;
  });

/**
 * The run after `execution_cached`: these nodes do not run, nor do those that only they need. If the workflow is not
 * known, as many ids are kept as a workflow may have nodes.
 */
export function withCached(run: RunClock, ids: readonly string[]): RunClock {
  const { nodes } = run.plan;
  const known = nodes.size === 0 ? ids.slice(0, bounds.nodes) : ids.filter((id) => nodes.has(id));
  return planned({ ...run, cached: known.length === 0 ? noIds : new Set(known) });
}

/** The run with the output nodes that the queue names. */
export const withTargets = (run: RunClock, targets: readonly string[]): RunClock =>
  targets === run.targets ? run : planned({ ...run, targets });
