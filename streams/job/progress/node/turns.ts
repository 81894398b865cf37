import { takenBy, type Taken } from '../learned/measured';
import { phasesMs, totalMs, type Expected } from '../plan/expected';
import type { Loop } from '../plan/loops';
import type { PlanNode } from '../plan/plan';
import type { RunClock } from '../run-clock';
import { counted } from './counted';
import type { NodeRun } from './node-run';

/** The trust of a time seen once: that of one earlier run. */
const SEEN_ONCE = 0.8;

/**
 * The expected time of a loop's last node as it begins, when the loop has gone round once: each further round takes
 * what the loop's nodes took, without loading, and what was guessed for nodes that did not run.
 */
export function afterOneRound({ nodes }: RunClock, { loop }: PlanNode, expected: Expected): Expected {
  if (loop === undefined || loop.times <= 1 || expected.trust > 0) return expected;
  const { repeats = [], ...own } = expected;
  let seenMs = 0;
  let guessedMs = 0;
  for (const { node, expected: each } of repeats) {
    const ran = nodes.get(node.id);
    if (ran?.doneAt === undefined) guessedMs += totalMs(each);
    else seenMs += onceMore(takenBy(ran, ran.doneAt));
  }
  const trust = seenMs > guessedMs ? SEEN_ONCE : 0;
  return { ...own, fixedMs: 0, stepMs: Math.max(1, seenMs + guessedMs), steps: loop.times - 1, rounds: 1, trust };
}

/**
 * What a node takes once more: the time before its first step may have been loading, and counts as one step at most.
 */
const onceMore = ({ beforeMs, stepMs, steps, rounds, afterMs, later }: Taken): number =>
  (stepMs > 0 ? Math.min(beforeMs, stepMs) : beforeMs) + stepMs * steps * rounds + afterMs + phasesMs(later);

/**
 * A node that makes copies, after another copy has begun. For a loop's last node, each copy of the first copied node
 * begins a round, which counts as a step.
 */
export function withTurn(maker: NodeRun, loop: Loop | undefined, displayId: string | undefined, at: number): NodeRun {
  const makes = maker.makes === true ? maker : { ...maker, makes: true };
  if (loop === undefined || loop.times <= 2 || displayId === undefined || !loop.body.includes(displayId)) return makes;
  if (makes.turn === undefined) return makes.value > 0 ? makes : { ...makes, turn: displayId };
  const most = loop.times - 1;
  return makes.turn === displayId && makes.value < most ? counted(makes, makes.value + 1, most, at) : makes;
}
