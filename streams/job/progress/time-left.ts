import { bounded, nodeLeft, silentMs, spread, type TimeLeft } from './node-left';
import type { RunClock } from './run-clock';
import { AT_WORK, correctionsAt, type Corrections } from './this-run';

/** Of a workflow that is not known, as much is expected to come as has been, and so much at least. */
const UNKNOWN_MS = 10_000;

/** What the run will still take, as far as can be told now. */
export function timeLeft(run: RunClock, at: number): TimeLeft {
  const corrections = correctionsAt(run, at);
  const { slowness, known } = corrections;
  let ms = 0;
  let sureMs = 0;
  for (const [type, sum] of run.byClass) {
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
  const longest = longestAtWork(run, at, corrections);
  if (run.plan.nodes.size === 0) ms = Math.max(UNKNOWN_MS, at - run.startedAt);
  return { ms: bounded(ms) + longest.ms, sureMs: bounded(sureMs) + longest.sureMs, newsMs: longest.newsMs };
}

/** Nodes side by side take as long as the longest of them. */
function longestAtWork(run: RunClock, at: number, corrections: Corrections): TimeLeft {
  let longest: TimeLeft = { ms: 0, sureMs: 0, newsMs: 0 };
  let newsMs = Infinity;
  let looked = 0;
  for (const id of run.running) {
    if (++looked > AT_WORK) break;
    const node = run.nodes.get(id);
    if (node === undefined) continue;
    const left = nodeLeft(run, id, node, at, corrections);
    if (left.ms > longest.ms) longest = left;
    newsMs = Math.min(newsMs, left.newsMs);
  }
  return { ...longest, newsMs: Math.min(longest.ms, newsMs) };
}
