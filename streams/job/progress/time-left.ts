import { bounded, countingLeftMs, nodeLeft, silentMs, spaceOf, spread, type TimeLeft } from './node/node-left';
import { endsWithMaker, hasCounted, type NodeRun } from './node/node-run';
import { expectedOfPhase } from './node/phases';
import { totalMs } from './plan/expected';
import type { PlanNode } from './plan/plan';
import type { RunClock } from './run-clock';
import { beyondUsual, silentFactor, weighed, withKinds, within, type Corrections, type ThisRun } from './this-run';

/** Of a workflow that is not known, as much is expected to come as has been, and so much at least. */
const UNKNOWN_MS = 10_000;

/** What the run will still take, as far as can be told now. */
export function timeLeft(run: RunClock, at: number): TimeLeft {
  const working = atWork(run);
  const corrections = correctionsAt(run, working, at);
  const { slowness, known } = corrections;
  let ms = 0;
  let sureMs = 0;
  for (const [type, sum] of run.byClass.entries()) {
    const { knownMs, besideStepsMs, steppingMs, steps } = sum;
    // A class whose pace was seen in this run goes on at that pace.
    const paceMs = run.paces.get(type);
    const pacedMs = paceMs === undefined ? 0 : steps * paceMs;
    const untoldMs = sum.silentMs === 0 ? 0 : sum.silentMs * corrections.silent(type, sum.prior);
    ms +=
      knownMs * known + untoldMs + besideStepsMs * slowness + (paceMs === undefined ? steppingMs * slowness : pacedMs);
    sureMs += sum.sureMs * known + pacedMs;
  }
  // Nothing was heard of it yet: it goes on all the same.
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

/** A node at work, and what is planned of it where it is of the workflow itself. */
interface AtWork {
  readonly id: string;
  readonly node: NodeRun;
  readonly planned: PlanNode | undefined;
}

/** Of nodes at work at the same time, so many are looked at. */
const MOST_AT_WORK = 64;

function atWork({ running, nodes, plan }: RunClock): readonly AtWork[] {
  const working: AtWork[] = [];
  let looked = 0;
  for (const id of running) {
    if (++looked > MOST_AT_WORK) break;
    const node = nodes.get(id);
    if (node !== undefined) working.push({ id, node, planned: plan.nodes.get(id) });
  }
  return working;
}

/** Nodes side by side take as long as the longest of them. */
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

/** Whether a node that the run made stands for its maker, or is over with it: once that is done its rounds are. */
const isOverWithMaker = ({ nodes }: RunClock, node: NodeRun): boolean =>
  node.owner !== undefined &&
  (nodes.get(node.owner)?.doneAt !== undefined || (node.expected === endsWithMaker && !hasCounted(node)));

/** Slowness counts as so many observations of "as expected". */
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

/** With the nodes at work that are past what is expected of them: they take that long at least. */
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
  for (const { node, planned } of working) {
    const { expected } = node;
    if (node.paceMs === 0 || expected.trust > 0 || planned?.prior.isApart === true) continue;
    const projected =
      at - node.startedAt + countingLeftMs(node, expectedOfPhase(node), 1, at, { spaceMs, listenedTo: at });
    log += Math.log(Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected)));
    count += 1;
  }
  return Math.exp(within(MOST_SLOWNESS, log / (count + DOUBT)));
}

/** Factors up to this, e to it, are usual from run to run, and tell little. */
const USUAL = 0.3;

function knownFactor({ thisRun, byClass }: RunClock, working: readonly AtWork[], at: number): number {
  let { known } = thisRun;
  for (const { node, planned } of working) {
    if (node.expected.trust === 0 || planned?.prior.isApart === true) continue;
    const { max, paceMs, startedAt } = node;
    const ratio = (at - startedAt) / totalMs(node.expected);
    const expected = expectedOfPhase(node);
    const steps = node.value - node.firstValue;
    const expectedMs = (expected.stepMs * expected.steps * steps) / max;
    if (paceMs > 0 && expectedMs > 0) known = weighed(known, expected, expectedMs, (paceMs * steps) / expectedMs);
    else if (paceMs === 0 && ratio > 1)
      known = weighed(known, expected, expected.alone * totalMs(node.expected), ratio);
  }
  if (known.ms === 0) return 1;
  let toCome = 0;
  for (const [, { knownMs }] of byClass.entries()) toCome += knownMs;
  const log = known.log / (known.ms + (known.doubtMs / known.ms) * (known.ms + toCome));
  return beyondUsual(USUAL, log);
}
