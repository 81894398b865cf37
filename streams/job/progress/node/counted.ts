import { withSteps, type NodeRun } from './node-run';
import { beyondUsual } from '../this-run';
import { isAnotherPhase, withNextPhase } from './phases';

/**
 * The node after a step; the same object if that is nothing new. If its value falls, it has begun another round; if it
 * counts anew to another `max`, another bar. If it goes on to another `max`, it knows better now how many steps it makes.
 */
export function counted(node: NodeRun, toldValue: number, toldMax: number, at: number): NodeRun {
  const [value, max] = [amount(toldValue), amount(toldMax)];
  if (value === node.value && max === node.max) return node;
  const step = { value, max, steppedAt: at, toldMs: node.value > 0 ? at - node.steppedAt : 0 };
  const isFirst = node.value === 0 && node.rounds === 0;
  const isOther = max !== node.max && !isFirst && node.max > 1;
  const goesOn = isOther && value > node.value && (max > node.max || node.value < node.max);
  const isAnew = isOther && !goesOn;
  if (isAnew && isAnotherPhase(node, max))
    return { ...withNextPhase(node), value, max, steppedAt: at, firstValue: value, firstAt: at, roundAt: at };
  if (value < node.value || isAnew)
    return {
      ...node,
      ...step,
      rounds: node.rounds + 1,
      roundMs: meanRound(node, at),
      roundAt: at,
      firstValue: value,
      firstAt: at,
      ...(isAnew && { cycles: true }),
    };
  if (isFirst && value > 0 && node.firstValue === 0)
    return { ...node, ...step, firstValue: value, firstAt: at, roundAt: at };
  const steps = value - node.firstValue;
  const hasPace = steps > 0 && at > node.firstAt;
  const paceMs = hasPace ? (at - node.firstAt) / steps : node.paceMs;
  const recentMs = hasPace ? recentPace(node, value, steps, at) : node.recentMs;
  const next = withSteps(node, { value, max, steppedAt: at, toldMs: step.toldMs, paceMs, recentMs });
  return goesOn ? { ...next, firstMax: node.firstMax ?? node.max } : next;
}

/** The mean time of a round, as the next one begins. */
const meanRound = ({ rounds, roundMs, roundAt }: NodeRun, at: number): number =>
  (rounds * roundMs + at - roundAt) / (rounds + 1);

/** The window of `recentMs`: this many steps, or this share of all steps if that is more. */
const LAST_STEPS = 8;
const LAST_SHARE = 1 / 4;

/** The moving average of a step's time: steps may come to take three times as long in the midst of a round. */
function recentPace({ recentMs, value: before, steppedAt }: NodeRun, value: number, steps: number, at: number): number {
  const told = value - before;
  if (told <= 0) return recentMs;
  const weight = Math.min(1, told / Math.min(steps, Math.max(LAST_STEPS, LAST_SHARE * steps)));
  return recentMs + weight * ((at - steppedAt) / told - recentMs);
}

/** A number of steps; 0 for nonsense, such as a negative one. */
const amount = (told: number): number => (told > 1e-6 && told < 1e15 ? told : 0);

/** A logarithm of recent ÷ mean pace within this says little. */
const USUAL = 0.2;

/**
 * The time of a step: the mean of the round, or nearly the recent one if that differs by more than steps usually do.
 */
export function paceNow({ paceMs, recentMs }: NodeRun): number {
  if (recentMs <= 0) return paceMs;
  return paceMs * beyondUsual(USUAL, Math.log(recentMs / paceMs));
}
