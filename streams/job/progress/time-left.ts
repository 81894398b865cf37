import { bounded, countingLeftMs, nodeLeft, silentMs, spread, type TimeLeft } from './node-left';
import { totalMs } from './plan/expected';
import type { RunClock } from './run-clock';

/** Slowness counts as so many observations of "as expected". */
const DOUBT = 3;
const MOST_SLOWNESS = Math.log(20);
/** Of nodes at work at the same time, so many are looked at. */
const AT_WORK = 64;

/** Of a workflow that is not known, as much is expected to come as has been, and so much at least. */
const UNKNOWN_MS = 10_000;

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
  if (run.nodes.size() === 0) {
    const all = bounded(ms);
    const share = all === 0 ? 0 : bounded(sureMs) / all;
    const left = silentMs(all, at - run.startedAt, spread(share));
    return { ms: left, sureMs: share * left, newsMs: 0 };
  }
  const longest = longestAtWork(run, at, slowness);
  if (run.plan.nodes.size === 0) ms = Math.max(UNKNOWN_MS, at - run.startedAt);
  return { ms: bounded(ms) + longest.ms, sureMs: bounded(sureMs) + longest.sureMs, newsMs: longest.newsMs };
}

/** Nodes side by side take as long as the longest of them. */
function longestAtWork(run: RunClock, at: number, slowness: number): TimeLeft {
  let longest: TimeLeft = { ms: 0, sureMs: 0, newsMs: 0 };
  let newsMs = Infinity;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    if (node === undefined) continue;
    const left = nodeLeft(run, id, node, at, slowness);
    if (left.ms > longest.ms) longest = left;
    newsMs = Math.min(newsMs, left.newsMs);
  }
  return { ...longest, newsMs: Math.min(longest.ms, newsMs) };
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
    const projected = at - node.startedAt + countingLeftMs(node, expected, 1, at, undefined);
    log += Math.log(Math.max(1, bounded(projected)) / Math.max(1, totalMs(expected)));
    count += 1;
  }
  return Math.exp(Math.max(-MOST_SLOWNESS, Math.min(MOST_SLOWNESS, log / (count + DOUBT))));
}
