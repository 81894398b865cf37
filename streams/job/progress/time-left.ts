import { totalMs, type Expected } from './plan/expected';
import { hasCounted, type NodeRun } from './node-run';
import type { RunClock } from './run-clock';

/** How far something may be past what was expected before that shows: what was measured a little, a guess a lot. */
const spread = (trust: number): number => 0.12 + 0.3 * (1 - trust);
/** Steps come regularly; a single one may be late. */
const STEPS_SPREAD = 0.1;
const STEP_SPREAD = 0.3;
/** Slowness counts as so many observations of "as expected". */
const DOUBT = 1.5;
const MOST_SLOWNESS = Math.log(20);
/** Of nodes at work at the same time, so many are looked at. */
const AT_WORK = 64;

/** What is left of a run. */
export interface TimeLeft {
  readonly ms: number;
  /** Of that, what is known from this very run, or from earlier ones. */
  readonly sureMs: number;
}

/** What the run will still take, as far as can be told now. */
export function timeLeft(run: RunClock, at: number): TimeLeft {
  const slowness = slownessOf(run, at);
  let ms = 0;
  let sureMs = 0;
  for (const [type, sum] of run.byClass) {
    const { knownMs, guessedFixedMs, guessedSteppingMs, guessedSteps } = sum;
    // A class whose pace was seen in this run goes on at that pace.
    const paceMs = run.paces.get(type);
    const pacedMs = paceMs === undefined ? 0 : guessedSteps * paceMs;
    ms += knownMs + guessedFixedMs * slowness + (paceMs === undefined ? guessedSteppingMs * slowness : pacedMs);
    sureMs += knownMs + pacedMs;
  }
  // Nothing was heard of it yet: it goes on all the same.
  if (run.nodes.size === 0) {
    const left = silentMs(ms, at - run.startedAt, spread(ms === 0 ? 0 : sureMs / ms));
    return { ms: left, sureMs: ms === 0 ? 0 : (sureMs / ms) * left };
  }
  const longest = longestAtWork(run, at, slowness);
  return { ms: bounded(ms) + longest.ms, sureMs: bounded(sureMs) + longest.sureMs };
}

/** Nothing takes longer than a year, whatever numbers a node counts to. */
const bounded = (ms: number): number => (ms > 0 ? Math.min(ms, 365 * 86_400_000) : 0);

/** Nodes side by side take as long as the longest of them. */
function longestAtWork(run: RunClock, at: number, slowness: number): TimeLeft {
  let longest: TimeLeft = { ms: 0, sureMs: 0 };
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    const left = node === undefined ? longest : nodeLeft(run, id, node, at, slowness);
    if (left.ms > longest.ms) longest = left;
  }
  return longest;
}

/** How much slower than guessed this server is, by the nodes that are done and those whose pace can be seen. */
function slownessOf(run: RunClock, at: number): number {
  let { log, count } = run.slowness;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    if (node === undefined || node.paceMs === 0) continue;
    const { expected } = node;
    if (expected.trust > 0) continue;
    const projected = at - node.startedAt + countingLeftMs(node, expected, 1, at);
    log += Math.log(Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected)));
    count += 1;
  }
  return Math.exp(Math.max(-MOST_SLOWNESS, Math.min(MOST_SLOWNESS, log / (count + DOUBT))));
}

function nodeLeft(run: RunClock, id: string, node: NodeRun, at: number, slowness: number): TimeLeft {
  const { expected } = node;
  const factor = expected.trust > 0 ? 1 : slowness;
  if (hasCounted(node)) {
    const ms = bounded(countingLeftMs(node, expected, factor, at));
    return { ms, sureMs: node.paceMs > 0 || expected.trust > 0 ? ms : 0 };
  }
  const type = run.plan.nodes.get(id)?.type;
  const ms = silentMs(untouchedMs(run, type, expected, factor), at - node.startedAt, spread(expected.trust));
  return { ms, sureMs: expected.trust > 0 ? ms : 0 };
}

function countingLeftMs(node: NodeRun, expected: Expected, factor: number, at: number): number {
  const paceMs = paceOf(node, expected, factor);
  const steps = Math.max(0, node.max - node.value);
  const since = at - node.steppedAt;
  const roundLeft = silentMs(paceMs * steps, since, steps > 1 ? STEPS_SPREAD : STEP_SPREAD);
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
function silentMs(expectedMs: number, elapsedMs: number, share: number): number {
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
  if (expected.stepMs < 200 || node.firstValue > 1) return first;
  const warm = Math.max(first / 4, first - expected.fixedMs);
  return Math.cbrt(first * warm * warm);
}

/** Rounds after this one: as many as it took last time, or as its class is known for, else half as many as were seen. */
function roundsToCome(node: NodeRun, { rounds, trust }: Expected): number {
  const begun = node.rounds + 1;
  if (trust > 0.5) return Math.max(0, rounds - begun);
  return rounds > 1 ? Math.max(rounds - begun, node.rounds / 2) : node.rounds / 2;
}
