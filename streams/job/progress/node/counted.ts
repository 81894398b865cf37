import { withSteps, type NodeRun } from './node-run';
import { beyondUsual } from '../this-run';
import { isAnotherPhase, withNextPhase } from './phases';

/** The node after a step; the very node where it is none. One whose value falls has begun another round; one that counts anew to another number, another bar. */
export function counted(node: NodeRun, toldValue: number, toldMax: number, at: number): NodeRun {
  const [value, max] = [amount(toldValue), amount(toldMax)];
  if (value === node.value && max === node.max) return node;
  const step = { value, max, steppedAt: at, toldMs: node.value > 0 ? at - node.steppedAt : 0 };
  const isFirst = node.value === 0 && node.rounds === 0;
  const grows = max > node.max && value > node.value && !isFirst && node.max > 1;
  const isAnew = max !== node.max && !grows && !isFirst && node.max > 1;
  if (isAnew && isAnotherPhase(node, max))
    return { ...withNextPhase(node), value, max, steppedAt: at, firstValue: value, firstAt: at };
  if (value < node.value || isAnew)
    return {
      ...node,
      ...step,
      ...{ rounds: node.rounds + 1, roundAt: at, firstValue: value, firstAt: at },
      ...(isAnew && { cycles: true }),
    };
  if (isFirst && value > 0 && node.firstValue === 0) return { ...node, ...step, firstValue: value, firstAt: at };
  const steps = value - node.firstValue;
  const hasPace = steps > 0 && at > node.firstAt;
  const paceMs = hasPace ? (at - node.firstAt) / steps : node.paceMs;
  const recentMs = hasPace ? recentPace(node, value, steps, at) : node.recentMs;
  const next = withSteps(node, { value, max, steppedAt: at, toldMs: step.toldMs, paceMs, recentMs });
  return grows ? { ...next, grows } : next;
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

/** Last steps that differ by less than this factor, e to it, are as all were. */
const USUAL = 0.2;

/** What a step takes: of late, where that differs from all steps by more than steps do. */
export function paceNow({ paceMs, recentMs }: NodeRun): number {
  if (recentMs <= 0) return paceMs;
  return paceMs * beyondUsual(USUAL, Math.log(recentMs / paceMs));
}
