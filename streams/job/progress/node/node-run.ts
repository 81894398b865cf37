import type { Expected, Phase } from '../plan/expected';

/** A node that has started, and how its steps went. Times are ms since 1970. */
export interface NodeRun {
  /** Its expected time when it began. */
  readonly expected: Expected;
  readonly startedAt: number;
  readonly value: number;
  readonly max: number;
  /** When its last step was told; its start before that. */
  readonly steppedAt: number;
  /** When its frames could come again after a gap: a step that did not come in the gap is not late. */
  readonly heardFrom?: number;
  /** The time between the last two steps told; 0 before the second. */
  readonly toldMs: number;
  /** The first step told of this round, and when. */
  readonly firstValue: number;
  readonly firstAt: number;
  /** When its present bar began: at the end of the last one. */
  readonly phaseAt: number;
  /** The node as it was at the end of its first bar, once it counts on another; and the finished bars between. */
  readonly first?: NodeRun;
  readonly later?: readonly Phase[];
  /** Whether a `max` came again that was another bar's: from then on each new bar is a round. */
  readonly cycles?: boolean;
  /** How many rounds of this bar are over; their mean time, from one's first step to the next one's; 0 before the second. */
  readonly rounds: number;
  readonly roundMs: number;
  /** When the first step of this round was told; the node's start before that. */
  readonly roundAt: number;
  /** The mean time of a step in this round; 0 before the second was told. */
  readonly paceMs: number;
  /** The same for its last steps. */
  readonly recentMs: number;
  /** The workflow's node that made it, if it is not of the workflow itself; and the node that it is a copy of. */
  readonly owner?: string;
  readonly displayId?: string;
  /** Whether it makes copies of other nodes, as a loop does. */
  readonly makes?: boolean;
  /** Of a loop's last node: the node whose copy begins each round, which counts as a step. */
  readonly turn?: string;
  /** Whether it waits for an input that it asked for: its own time has not begun. */
  readonly waits?: boolean;
  readonly doneAt?: number;
  /** The last value told before the node was done; its end sets `value` to all steps. */
  readonly toldValue?: number;
  /** Its first `max` in this round, if that has changed as it went on; if it has grown, it may grow again. */
  readonly firstMax?: number;
}

/** The expected time of a node that the run made and that is over with its maker: the maker's time includes it. */
export const endsWithMaker: Expected = { fixedMs: 0, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: 0 };

/** A node that begins at `startedAt`; its start was told at `heardAt`. */
export const newNodeRun = (
  expected: Expected,
  startedAt: number,
  heardAt: number,
  owner?: string,
  displayId?: string,
): NodeRun => {
  // One literal, so that V8 keeps all fields in the object itself, and in its copies.
  const begun: NodeRun = {
    expected,
    startedAt,
    value: 0,
    max: 1,
    steppedAt: heardAt,
    toldMs: 0,
    firstValue: 0,
    firstAt: startedAt,
    rounds: 0,
    roundMs: 0,
    roundAt: startedAt,
    phaseAt: startedAt,
    paceMs: 0,
    recentMs: 0,
  };
  if (owner === undefined && displayId === undefined) return begun;
  return { ...begun, ...(owner !== undefined && { owner }), ...(displayId !== undefined && { displayId }) };
};

/** The node after more steps. Most nodes have no optional fields: those are copied field by field, as in `runWith`. */
export function withSteps(
  node: NodeRun,
  steps: Pick<NodeRun, 'value' | 'max' | 'steppedAt' | 'toldMs' | 'paceMs' | 'recentMs'>,
): NodeRun {
  if (!isPlain(node)) return { ...node, ...steps };
  return {
    expected: node.expected,
    startedAt: node.startedAt,
    value: steps.value,
    max: steps.max,
    steppedAt: steps.steppedAt,
    toldMs: steps.toldMs,
    firstValue: node.firstValue,
    firstAt: node.firstAt,
    rounds: node.rounds,
    roundMs: node.roundMs,
    roundAt: node.roundAt,
    phaseAt: node.phaseAt,
    paceMs: steps.paceMs,
    recentMs: steps.recentMs,
  };
}

/** Whether a node has no optional fields. */
const isPlain = (node: NodeRun): boolean =>
  node.first === undefined &&
  node.later === undefined &&
  node.cycles === undefined &&
  node.owner === undefined &&
  node.displayId === undefined &&
  node.makes === undefined &&
  node.turn === undefined &&
  node.waits === undefined &&
  node.doneAt === undefined &&
  node.toldValue === undefined &&
  node.firstMax === undefined &&
  node.heardFrom === undefined;

/** Whether a node has told a step. Some count in seconds or shares: `0.5` of `1`. */
export const hasCounted = ({ value, max, rounds, first }: NodeRun): boolean =>
  rounds > 0 || first !== undefined || (value > 0 && (max > 1 || value < max));

/** How many steps its first round left out: a training that goes on from a state of an earlier one, say. */
export const skipped = ({ rounds, firstValue, firstAt, phaseAt, paceMs }: NodeRun): number =>
  rounds === 0 && paceMs > 0 ? Math.max(0, firstValue - 1 - (firstAt - phaseAt) / paceMs) : 0;
