import { takenBy, type Taken } from '../learned/measured';
import { phasesMs, totalMs, type Expected } from '../plan/expected';
import type { Loop } from '../plan/loops';
import type { PlanNode } from '../plan/plan';
import type { RunClock } from '../run-clock';
import { counted } from './counted';
import type { NodeRun } from './node-run';

/** As sure as one earlier run. */
const SEEN_ONCE = 0.8;

/** Once its last node begins, a loop has gone round once: what is to come takes as long each time, but for what was loaded; and as was guessed where nodes did not run. */
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

/** What came before the first step may have been loading. */
const onceMore = ({ beforeMs, stepMs, steps, rounds, afterMs, later }: Taken): number =>
  (stepMs > 0 ? Math.min(beforeMs, stepMs) : beforeMs) + stepMs * steps * rounds + afterMs + phasesMs(later);

/** The last node of a loop, or any that makes copies, once another of those has begun. Each time the first of them comes again, one round is over: a step of the loop. */
export function withTurn(maker: NodeRun, loop: Loop | undefined, displayId: string | undefined, at: number): NodeRun {
  const makes = maker.makes === true ? maker : { ...maker, makes: true };
  if (loop === undefined || loop.times <= 2 || displayId === undefined || !loop.body.includes(displayId)) return makes;
  if (makes.turn === undefined) return makes.value > 0 ? makes : { ...makes, turn: displayId };
  const most = loop.times - 1;
  return makes.turn === displayId && makes.value < most ? counted(makes, makes.value + 1, most, at) : makes;
}
