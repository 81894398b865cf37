import type { Expected, Phase } from '../plan/expected';
import { isAnotherPhase, withNextPhase } from './phases';

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
  ...{ rounds: 0, roundAt: startedAt, phaseAt: startedAt, paceMs: 0, recentMs: 0 },
  ...(owner !== undefined && { owner }),
  ...(displayId !== undefined && { displayId }),
});

/** The node after a step; the very node where it is none. One whose value falls has begun another round; one that counts anew to another number, another bar. */
export function counted(node: NodeRun, told: number, toldMax: number, at: number): NodeRun {
  const [value, max] = [amount(told), amount(toldMax)];
  if (value === node.value && max === node.max) return node;
  const next = { ...node, value, max, steppedAt: at, toldMs: node.value > 0 ? at - node.steppedAt : 0 };
  const isFirst = node.value === 0 && node.rounds === 0;
  const grows = max > node.max && value > node.value && !isFirst && node.max > 1;
  const isAnew = max !== node.max && !grows && !isFirst && node.max > 1;
  if (isAnew && isAnotherPhase(node, max))
    return { ...withNextPhase(node), value, max, steppedAt: at, firstValue: value, firstAt: at };
  if (value < node.value || isAnew)
    return {
      ...next,
      ...{ rounds: node.rounds + 1, roundAt: at, firstValue: value, firstAt: at },
      ...(isAnew && { cycles: true }),
    };
  if (isFirst && value > 0 && node.firstValue === 0) return { ...next, firstValue: value, firstAt: at };
  const steps = value - node.firstValue;
  const same = grows ? { ...next, grows } : next;
  if (steps <= 0 || at <= node.firstAt) return same;
  return { ...same, paceMs: (at - node.firstAt) / steps, recentMs: recentPace(node, value, steps, at) };
}

/** So many steps count alike, or this share of them: what was before fades. */
const LAST_STEPS = 8;
const LAST_SHARE = 1 / 4;

/** The time of a step, of which the last count most: a step may come to take three times as long in the midst of a round. */
function recentPace({ recentMs, value: before, steppedAt }: NodeRun, value: number, steps: number, at: number): number {
  const told = value - before;
  if (told <= 0) return recentMs;
  const weight = Math.min(1, told / Math.min(steps, Math.max(LAST_STEPS, LAST_SHARE * steps)));
  return recentMs + weight * ((at - steppedAt) / told - recentMs);
}

/** Of nonsense, such as less than no steps, nothing is believed. */
const amount = (told: number): number => (told > 1e-6 && told < 1e15 ? told : 0);

/** Whether it has shown a step. Some nodes count in seconds or shares: `0.5` of `1`. */
export const hasCounted = ({ value, max, rounds, first }: NodeRun): boolean =>
  rounds > 0 || first !== undefined || (value > 0 && (max > 1 || value < max));

/** Last steps that differ by less than this factor, e to it, are as all were. */
const USUAL = 0.2;

/** What a step takes: of late, where that differs from all steps by more than steps do. */
export function paceNow({ paceMs, recentMs }: NodeRun): number {
  if (recentMs <= 0) return paceMs;
  const log = Math.log(recentMs / paceMs);
  return paceMs * Math.exp(log ** 3 / (log ** 2 + USUAL ** 2));
}
