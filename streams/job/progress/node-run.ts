import type { Expected } from './plan/expected';

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
  /** Rounds that are over, and when the last one was. */
  readonly rounds: number;
  readonly roundAt: number;
  /** The mean time of one step of this round; 0 before the second was told. */
  readonly paceMs: number;
  /** The workflow node that made it, where it is not of the workflow itself; and the one it is a copy of. */
  readonly owner?: string;
  readonly displayId?: string;
  readonly doneAt?: number;
  /** The last value that was told before the end, which tells all of them. */
  readonly toldValue?: number;
  /** Whether what it counts to has grown with its value: nobody knows how far it will. */
  readonly grows?: boolean;
}

/** A node that begins; `heardAt` is when that was told. */
export const newNodeRun = (
  expected: Expected,
  startedAt: number,
  heardAt: number,
  owner?: string,
  displayId?: string,
): NodeRun => ({
  expected,
  ...{ startedAt, value: 0, max: 1, steppedAt: heardAt, toldMs: 0, firstValue: 0, firstAt: startedAt },
  ...{ rounds: 0, roundAt: startedAt, paceMs: 0 },
  ...(owner !== undefined && { owner }),
  ...(displayId !== undefined && { displayId }),
});

/** The node after a step; the very node where it is none. One whose value falls, or that counts anew to another number, has begun another round. */
export function counted(node: NodeRun, told: number, toldMax: number, at: number): NodeRun {
  const [value, max] = [amount(told), amount(toldMax)];
  if (value === node.value && max === node.max) return node;
  const next = { ...node, value, max, steppedAt: at, toldMs: node.value > 0 ? at - node.steppedAt : 0 };
  const isFirst = node.value === 0 && node.rounds === 0;
  const grows = max > node.max && value > node.value && !isFirst && node.max > 1;
  if (value < node.value || (max !== node.max && !grows && !isFirst && node.max > 1))
    return { ...next, rounds: node.rounds + 1, roundAt: at, firstValue: value, firstAt: at };
  if (isFirst && value > 0 && node.firstValue === 0) return { ...next, firstValue: value, firstAt: at };
  const steps = value - node.firstValue;
  const same = grows ? { ...next, grows } : next;
  return steps > 0 && at > node.firstAt ? { ...same, paceMs: (at - node.firstAt) / steps } : same;
}

/** Of nonsense, such as less than no steps, nothing is believed. */
const amount = (told: number): number => (told > 1e-6 && told < 1e15 ? told : 0);

/** Whether it has shown a step. Some nodes count in seconds or shares: `0.5` of `1`. */
export const hasCounted = ({ value, max, rounds }: NodeRun): boolean =>
  rounds > 0 || (value > 0 && (max > 1 || value < max));
