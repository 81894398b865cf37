import { phasesMs, type Expected, type Phase } from '../plan/expected';
import type { NodeRun } from './node-run';

/** So many bars of a node are told apart after its first; what it counts after those are rounds of the last. */
export const MOST_PHASES = 6;

/** Whether a node that counts anew, to another number, has begun another bar. What it has counted to before is a round. */
export const isAnotherPhase = ({ first, later = [], cycles = false }: NodeRun, max: number): boolean =>
  !cycles && later.length < MOST_PHASES - 1 && first?.max !== max && later.every(({ steps }) => steps !== max);

/** The node at the beginning of another bar: what it has counted so far is over. */
export const withNextPhase = (node: NodeRun): NodeRun => ({
  ...node,
  ...{ toldMs: 0, rounds: 0, roundAt: node.steppedAt, phaseAt: node.steppedAt, paceMs: 0, recentMs: 0, grows: false },
  first: node.first ?? node,
  later: laterOf(node),
});

/** The bars of a node after its first, up to its last step. */
export const laterOf = ({ first, later = [], max, steppedAt, phaseAt }: NodeRun): readonly Phase[] =>
  first === undefined ? [] : [...later, { steps: max, ms: steppedAt - phaseAt }];

/** Of bars that nobody knew of, half as long again is expected as they have taken. */
const AGAIN = 0.5;

/** Whether the node counts on a bar that it was not known for. */
export const isUnknownPhase = ({ first, later = [], expected }: NodeRun): boolean =>
  first !== undefined && expected.later?.[later.length] === undefined;

/** What was expected of the bar that a node counts on; all that comes after it stands in `afterMs`. */
export function expectedOfPhase(node: NodeRun): Expected {
  const { expected, first, later = [], phaseAt, startedAt } = node;
  if (first === undefined && expected.later === undefined) return expected;
  const { afterMs = 0 } = expected;
  if (first === undefined) return { ...expected, afterMs: afterMs + phasesMs(expected.later) };
  const phase = expected.later?.[later.length];
  const once = { ...expected, fixedMs: 0, rounds: 1, roundsSpread: 0 };
  if (phase === undefined) return { ...once, stepMs: 0, trust: 0, afterMs: AGAIN * (phaseAt - startedAt) };
  const rest = phasesMs(expected.later?.slice(later.length + 1));
  return { ...once, stepMs: phase.ms / phase.steps, steps: phase.steps, afterMs: afterMs + rest };
}
