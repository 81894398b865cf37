import { bounded, countingLeftMs, nodeLeft, silentMs, spaceOf, spread, type TimeLeft } from './node/node-left';
import { endsWithMaker, hasCounted, type NodeRun } from './node/node-run';
import { expectedOfPhase } from './node/phases';
import { totalMs } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { RunClock } from './run-clock';
import { beyondUsual, silentFactor, weighed, withKinds, within, type Corrections, type ThisRun } from './this-run';

/** A run of an unknown workflow is expected to take as long again as it has taken, and at least this long, ms. */
const UNKNOWN_MS = 10_000;

/** How long the run will still take, by what is known now. */
export function timeLeft(run: RunClock, at: number): TimeLeft {
  const working = atWork(run);
  const corrections = correctionsAt(run, working, at);
  const { slowness, known } = corrections;
  let ms = 0;
  let sureMs = 0;
  for (const [type, sum] of run.byClass.entries()) {
    const { knownMs, besideStepsMs, steppingMs, steps } = sum;
    // If a node of the class has shown a pace in this run, the others are expected to keep it.
    const paceMs = run.paces.get(type);
    const pacedMs = paceMs === undefined ? 0 : steps * paceMs;
    const untoldMs = sum.silentMs === 0 ? 0 : sum.silentMs * corrections.silent(type, sum.prior);
    ms +=
      knownMs * known + untoldMs + besideStepsMs * slowness + (paceMs === undefined ? steppingMs * slowness : pacedMs);
    sureMs += sum.sureMs * known + pacedMs;
  }
  // Nothing was heard of the run yet: its time passes all the same.
  if (run.nodes.size() === 0) {
    const all = bounded(ms);
    const share = all === 0 ? 0 : bounded(sureMs) / all;
    const left = silentMs(all, at - run.startedAt, spread(share));
    return { ms: left, sureMs: share * left, newsMs: 0 };
  }
  const longest = longestOf(run, working, at, corrections);
  if (run.plan.nodes.size === 0) ms = Math.max(UNKNOWN_MS, at - run.startedAt);
  return { ms: bounded(ms) + longest.ms, sureMs: bounded(sureMs) + longest.sureMs, newsMs: longest.newsMs };
}

/** A node at work, with its plan if it is of the workflow itself. */
interface AtWork {
  readonly id: string;
  readonly node: NodeRun;
  readonly planned: PlanNode | undefined;
}

/** How many nodes at work at the same time are looked at. */
const MOST_AT_WORK = 64;

function atWork({ running, nodes, plan }: RunClock): readonly AtWork[] {
  const working: AtWork[] = [];
  let looked = 0;
  for (const id of running) {
    if (++looked > MOST_AT_WORK) break;
    const node = nodes.get(id);
    if (node !== undefined && node.waits !== true) working.push({ id, node, planned: plan.nodes.get(id) });
  }
  return working;
}

/** The time left of the nodes at work: side by side they take as long as the longest of them. */
function longestOf(run: RunClock, working: readonly AtWork[], at: number, corrections: Corrections): TimeLeft {
  let longest: TimeLeft = { ms: 0, sureMs: 0, newsMs: 0 };
  let newsMs = Infinity;
  for (const { id, node } of working) {
    if (isOverWithMaker(run, node)) continue;
    const left = nodeLeft(run, id, node, at, corrections);
    if (left.ms > longest.ms) longest = left;
    newsMs = Math.min(newsMs, left.newsMs);
  }
  return { ...longest, newsMs: Math.min(longest.ms, newsMs) };
}

/** Whether a node that the run made needs no time of its own: its maker's time includes it, or its maker is done. */
const isOverWithMaker = ({ nodes }: RunClock, node: NodeRun): boolean =>
  node.owner !== undefined &&
  (nodes.get(node.owner)?.doneAt !== undefined || (node.expected === endsWithMaker && !hasCounted(node)));

/** How many observations of "as expected" are added to those of slowness. */
const DOUBT = 3;
const MOST_SLOWNESS = Math.log(20);

function correctionsAt(run: RunClock, working: readonly AtWork[], at: number): Corrections {
  const slowness = slownessOf(run.thisRun, working, spaceOf(run), at);
  const kinds = withOverdue(run.thisRun, working, at, slowness);
  return {
    slowness,
    known: knownFactor(run, working, at),
    silent: (type, prior) => silentFactor(kinds, type, prior, slowness),
  };
}

/** The kinds with the nodes at work that are past their expected time: they take at least as long as they have. */
function withOverdue(
  { kinds: done }: ThisRun,
  working: readonly AtWork[],
  at: number,
  slowness: number,
): ThisRun['kinds'] {
  let kinds = done;
  for (const { node, planned } of working) {
    if (planned === undefined) continue;
    const { expected, startedAt } = node;
    const ratio = (at - startedAt) / Math.max(1, totalMs(expected));
    if (expected.trust > 0 || expected.stepMs > 0 || node.value > 0 || ratio < 1) continue;
    if (ratio > silentFactor(kinds, planned.type, planned.prior, slowness)) kinds = withKinds(kinds, planned, ratio);
  }
  return kinds;
}

function slownessOf({ slowness }: ThisRun, working: readonly AtWork[], spaceMs: number, at: number): number {
  let { log, count } = slowness;
  for (const work of working) {
    const ratio = toGuess(work, spaceMs, at);
    if (ratio === undefined) continue;
    log += Math.log(ratio);
    count += 1;
  }
  return Math.exp(within(MOST_SLOWNESS, log / (count + DOUBT)));
}

/** How many times longer than guessed a node at work will take; `undefined` if it was measured, or nothing tells yet. */
function toGuess({ node, planned }: AtWork, spaceMs: number, at: number): number | undefined {
  const { expected, startedAt, paceMs } = node;
  if (expected.trust > 0 || planned?.prior.isApart === true) return undefined;
  const elapsed = at - startedAt;
  if (paceMs > 0) {
    const declared = planned?.steps;
    const known = { spaceMs, declared, listenedTo: at };
    const projected = elapsed + countingLeftMs(node, expectedOfPhase(node, declared), 1, at, known);
    return Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected));
  }
  // Until the second step nothing but the wait for it tells that a node is slow: two steps may be all it makes.
  const { fixedMs, stepMs, steps, rounds } = expected;
  if (stepMs === 0 || elapsed <= fixedMs + stepMs) return undefined;
  return Math.max(1, (elapsed * steps * rounds) / totalMs(expected));
}

/** A logarithm of took ÷ measured within this is usual from run to run, and says little. */
const USUAL = 0.3;

function knownFactor({ thisRun, byClass }: RunClock, working: readonly AtWork[], at: number): number {
  let { known } = thisRun;
  let toCome = 0;
  for (const { node, planned } of working) {
    if (node.expected.trust === 0 || planned?.prior.isApart === true) continue;
    const { firstMax, max, paceMs, startedAt } = node;
    const ratio = (at - startedAt) / totalMs(node.expected);
    const expected = expectedOfPhase(node, planned?.steps);
    const steps = node.value - node.firstValue;
    const expectedMs = (expected.stepMs * expected.steps * steps) / (firstMax ?? max);
    if (paceMs > 0 && expectedMs > 0) known = weighed(known, expected, expectedMs, (paceMs * steps) / expectedMs);
    else if (paceMs === 0) {
      const ms = expected.alone * totalMs(node.expected);
      if (ratio > 1) known = weighed(known, expected, ms, ratio);
      else toCome += ms;
    }
  }
  if (known.ms === 0) return 1;
  for (const [, { knownMs }] of byClass.entries()) toCome += knownMs;
  const log = known.log / (known.ms + (known.doubtMs / known.ms) * (known.ms + toCome));
  return beyondUsual(USUAL, log);
}
