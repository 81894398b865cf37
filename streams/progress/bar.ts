import type { RunClock } from './run-clock';
import { timeLeftMs } from './time-left';

/** The most that is shown before the end. */
const MOST = 0.995;

/** The run with its bar at `at`, and what is left of it. */
export interface Shown {
  readonly run: RunClock;
  readonly share: number;
  readonly leftMs: number;
}

/**
 * The bar is a clock: the share of time that is over, as far as the end can be told. Where it has shown too much it does
 * not fall: it goes on so slowly that it is there at the end. Where it has shown too little, it catches up.
 */
export function shownAt(run: RunClock, at: number): Shown {
  const leftMs = Math.max(1, timeLeftMs(run, at));
  const elapsed = Math.max(0, at - run.startedAt);
  const share = elapsed / (elapsed + leftMs);
  const since = Math.max(0, at - run.shown.at);
  const slowly = run.shown.share + (1 - run.shown.share) * Math.min(1, since / (since + leftMs));
  const next = Math.min(MOST, Math.max(run.shown.share, share, slowly));
  return { run: { ...run, shown: { share: next, at: Math.max(at, run.shown.at) } }, share: next, leftMs };
}
