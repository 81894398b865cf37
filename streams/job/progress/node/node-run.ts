import type { Expected, Phase } from '../plan/expected';

/** A node that has started, and how its steps went. Times are ms since 1970. */
export interface NodeRun {
  /** What it was expected to take when it began. */
  readonly expected: Expected;
  readonly startedAt: number;
  readonly value: number;
  readonly max: number;
  /** When its last step was told; its start before that. */
  readonly steppedAt: number;
  /** Where nobody could hear it for a while: when that was over. A step that did not come meanwhile is not late. */
  readonly heardFrom?: number;
  /** The time between the last two that were told; 0 before. */
  readonly toldMs: number;
  /** The first step that was told of this round, and when. */
  readonly firstValue: number;
  readonly firstAt: number;
  /** When the bar it counts on began: the end of the one before. */
  readonly phaseAt: number;
  /** The node as it was at the end of its first bar, once it counts on another; and those between. */
  readonly first?: NodeRun;
  readonly later?: readonly Phase[];
  /** Whether a bar came again that it had counted on: what it counts from then on are rounds. */
  readonly cycles?: boolean;
  /** Rounds of this bar that are over, and when the last one was. */
  readonly rounds: number;
  readonly roundAt: number;
  /** The mean time of one step of this round; 0 before the second was told. */
  readonly paceMs: number;
  /** The same of its last steps. */
  readonly recentMs: number;
  /** The workflow node that made it, where it is not of the workflow itself; and the one it is a copy of. */
  readonly owner?: string;
  readonly displayId?: string;
  /** Whether it makes copies of others: a loop. */
  readonly makes?: boolean;
  /** Of a loop's last node: the copy that begins each round, which is a step of it. */
  readonly turn?: string;
  readonly doneAt?: number;
  /** The last value that was told before the end, which tells all of them. */
  readonly toldValue?: number;
  /** Whether what it counts to has grown with its value: nobody knows how far it will. */
  readonly grows?: boolean;
}

/** Of a node that stands for the one that made it: what is left stands there. */
export const endsWithMaker: Expected = { fixedMs: 0, stepMs: 0, steps: 1, rounds: 1, alone: 1, trust: 0 };

/** A node that begins; `heardAt` is when that was told. */
export const newNodeRun = (
  expected: Expected,
  startedAt: number,
  heardAt: number,
  owner?: string,
  displayId?: string,
): NodeRun => {
  // In one literal, of which V8 keeps all fields in the object itself, and in its copies.
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
    roundAt: startedAt,
    phaseAt: startedAt,
    paceMs: 0,
    recentMs: 0,
  };
  if (owner === undefined && displayId === undefined) return begun;
  return { ...begun, ...(owner !== undefined && { owner }), ...(displayId !== undefined && { displayId }) };
};

/** The node after more steps. Field by field where it has no others, as most have none, for the reason that `runWith` has. */
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
    roundAt: node.roundAt,
    phaseAt: node.phaseAt,
    paceMs: steps.paceMs,
    recentMs: steps.recentMs,
  };
}

/** Whether it has none of the fields that a node may have or not. */
const isPlain = (node: NodeRun): boolean =>
  node.first === undefined &&
  node.later === undefined &&
  node.cycles === undefined &&
  node.owner === undefined &&
  node.displayId === undefined &&
  node.makes === undefined &&
  node.turn === undefined &&
  node.doneAt === undefined &&
  node.toldValue === undefined &&
  node.grows === undefined &&
  node.heardFrom === undefined;

/** Whether it has shown a step. Some nodes count in seconds or shares: `0.5` of `1`. */
export const hasCounted = ({ value, max, rounds, first }: NodeRun): boolean =>
  rounds > 0 || first !== undefined || (value > 0 && (max > 1 || value < max));
