import { totalMs, type Expected } from './expected';
import type { NodeRun, RunClock } from './run-clock';

/** How far a node may be past what was expected before that shows: a measured one a little, a guessed one a lot. */
const spread = (trust: number): number => 0.12 + 0.3 * (1 - trust);
/** Other nodes' slowness counts as so many observations of "as expected". */
const DOUBT = 1.5;
const MOST_SLOWNESS = Math.log(20);

/** Milliseconds that the run will still take, as far as can be told now. */
export function timeLeftMs(run: RunClock, at: number): number {
  const slowness = slownessOf(run, at);
  let left = 0;
  for (const [type, sum] of run.byClass) {
    const { knownMs, guessedFixedMs, guessedSteppingMs, guessedSteps } = sum;
    // A class whose pace was seen in this run goes on at that pace.
    const paceMs = run.paces.get(type);
    left += knownMs + guessedFixedMs * slowness;
    left += paceMs === undefined ? guessedSteppingMs * slowness : guessedSteps * paceMs;
  }
  let longest = 0;
  for (const id of run.running) {
    const node = run.nodes.get(id);
    if (node !== undefined) longest = Math.max(longest, nodeLeftMs(run, id, node, at, slowness));
  }
  return left + longest;
}

/** How much slower than guessed this server is, by the nodes that are done and those whose pace can be seen. */
function slownessOf(run: RunClock, at: number): number {
  let { log, count } = run.slowness;
  for (const id of run.running) {
    const node = run.nodes.get(id);
    if (node === undefined || node.paceMs === 0) continue;
    const expected = expectedOf(run, id, node);
    if (expected.trust > 0) continue;
    const projected = at - node.startedAt + countingLeftMs(node, expected, 1, at);
    log += Math.log(Math.max(1, projected) / totalMs(expected));
    count += 1;
  }
  return Math.exp(Math.max(-MOST_SLOWNESS, Math.min(MOST_SLOWNESS, log / (count + DOUBT))));
}

const unplanned: Expected = { fixedMs: 500, stepMs: 0, steps: 1, rounds: 1, trust: 0 };

function expectedOf(run: RunClock, id: string, node: NodeRun): Expected {
  const planned = run.plan.nodes.get(id) ?? run.plan.nodes.get(node.owner ?? '');
  return planned === undefined ? unplanned : run.durations(planned);
}

function nodeLeftMs(run: RunClock, id: string, node: NodeRun, at: number, slowness: number): number {
  const expected = expectedOf(run, id, node);
  const factor = expected.trust > 0 ? 1 : slowness;
  if (hasCounted(node)) return countingLeftMs(node, expected, factor, at);
  const type = run.plan.nodes.get(id)?.type;
  return silentLeftMs(untouchedMs(run, type, expected, factor), at - node.startedAt, spread(expected.trust));
}

/** Some nodes count in seconds or shares: `0.5` of `1`. */
const hasCounted = ({ value, max, rounds }: NodeRun): boolean => rounds > 0 || (value > 0 && (max > 1 || value < max));

function countingLeftMs(node: NodeRun, expected: Expected, factor: number, at: number): number {
  const paceMs = paceOf(node, expected, factor);
  const steps = Math.max(0, node.max - node.value);
  const step = Math.min(1, steps);
  // The step under way; one that takes longer than its fellows is soon over.
  const roundLeft = silentLeftMs(paceMs * step, at - node.steppedAt, 0.3) + (steps - step) * paceMs;
  const roundMs = node.rounds > 0 ? (node.roundAt - node.startedAt) / node.rounds : node.max * paceMs;
  return roundLeft + roundsToCome(node, expected) * roundMs;
}

/** What a node takes that has not counted yet. */
function untouchedMs(run: RunClock, type: string | undefined, expected: Expected, factor: number): number {
  const paceMs = expected.trust > 0 || type === undefined ? undefined : run.paces.get(type);
  if (paceMs === undefined) return totalMs(expected) * factor;
  return expected.fixedMs * factor + paceMs * expected.steps * expected.rounds;
}

/** What is left of something that is silent: less and less, but never nothing; the longer past its time, the longer still. */
function silentLeftMs(expectedMs: number, elapsedMs: number, share: number): number {
  const ahead = expectedMs - elapsedMs;
  const least = share * expectedMs;
  const soft = (ahead + Math.sqrt(ahead * ahead + 4 * least * least)) / 2;
  return Math.max(soft, elapsedMs > expectedMs ? share * elapsedMs : 0);
}

/** A step's time: what was seen, and what was expected while little was. The first step holds what came before it. */
function paceOf(node: NodeRun, expected: Expected, factor: number): number {
  const seen = node.value - node.firstValue + node.rounds * node.max;
  const wanted = expected.stepMs > 0 ? expected.stepMs * factor * (expected.steps / node.max) : 0;
  if (node.paceMs > 0) {
    const doubt = wanted > 0 ? 1.5 * expected.trust : 0;
    return (node.paceMs * seen + wanted * doubt) / (seen + doubt);
  }
  if (expected.trust > 0 && wanted > 0) return wanted;
  const first = (node.firstAt - node.startedAt) / Math.max(1, node.firstValue);
  if (expected.stepMs < 200) return first;
  const warm = Math.max(first / 4, first - expected.fixedMs / Math.max(1, node.firstValue));
  return Math.cbrt(first * warm * warm);
}

/** Rounds after this one: as many as it took last time, or as its class is known for, else as many again as were seen. */
function roundsToCome(node: NodeRun, { rounds, trust }: Expected): number {
  const begun = node.rounds + 1;
  if (rounds > 1 && trust > 0.5) return Math.max(0, rounds - begun);
  if (rounds > 1) return Math.max(rounds - begun, node.rounds / 2);
  return trust > 0.5 ? 0 : node.rounds / 2;
}
