import { MEASURED_TRUST, phasesMs, type Expected, type Phase } from '../plan/expected';
import type { NodeRun } from './node-run';

/** How many bars a node may have after its first; what it counts after those are rounds of the last. */
export const MOST_PHASES = 6;

/**
 * Whether a node that counts anew to another `max` has begun another bar; if a bar had that `max` before, it is a
 * round.
 */
export const isAnotherPhase = ({ first, later = [], cycles = false }: NodeRun, max: number): boolean =>
  !cycles && later.length < MOST_PHASES - 1 && first?.max !== max && later.every(({ steps }) => steps !== max);

/** The node at the beginning of another bar. */
export const withNextPhase = ({ firstMax: _, ...node }: NodeRun): NodeRun => ({
  ...node,
  toldMs: 0,
  rounds: 0,
  roundMs: 0,
  roundAt: node.steppedAt,
  phaseAt: node.steppedAt,
  paceMs: 0,
  recentMs: 0,
  first: node.first ?? node,
  later: laterOf(node),
});

/** The bars of a node after its first, the present one up to its last step. */
export const laterOf = ({ first, later = [], max, rounds, steppedAt, phaseAt }: NodeRun): readonly Phase[] =>
  first === undefined ? [] : [...later, { steps: max, rounds: rounds + 1, ms: steppedAt - phaseAt }];

/** After a bar that no earlier run had, a node is expected to take this share of its time before the bar. */
const AGAIN = 0.5;

/** Whether the node counts on a bar that no earlier run had. */
export const isUnknownPhase = ({ first, later = [], expected }: NodeRun): boolean =>
  first !== undefined && expected.later?.[later.length] === undefined;

/**
 * The expected time of the bar that a node counts on; `afterMs` holds all that comes after it. A node of several rounds
 * that first counts to another number than the steps that it declares makes ready (enlarges its picture, say).
 */
export function expectedOfPhase(node: NodeRun, declared?: number): Expected {
  const { expected, first, later = [], phaseAt, startedAt } = node;
  const { afterMs = 0, rounds: guessed, steps: wanted } = expected;
  const once = { ...expected, fixedMs: 0, rounds: 1, roundsSpread: 0 };
  const makesReady = guessed > 1 && expected.trust < MEASURED_TRUST && declared === wanted;
  if (first === undefined && makesReady && node.rounds === 0 && node.max > 1 && node.max !== declared)
    return { ...once, fixedMs: expected.fixedMs, afterMs: afterMs + expected.stepMs * wanted * guessed };
  if (first === undefined && expected.later === undefined) return expected;
  if (first === undefined) return { ...expected, afterMs: afterMs + phasesMs(expected.later) };
  const phase = expected.later?.[later.length];
  if (phase === undefined && makesReady && node.max === declared) return { ...expected, fixedMs: 0 };
  if (phase === undefined) return { ...once, stepMs: 0, trust: 0, afterMs: AGAIN * (phaseAt - startedAt) };
  const { steps, rounds, ms } = phase;
  const rest = phasesMs(expected.later?.slice(later.length + 1));
  return { ...once, stepMs: ms / (steps * rounds), steps, rounds, afterMs: afterMs + rest };
}
