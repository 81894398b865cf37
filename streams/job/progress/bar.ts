import { isSureOf } from './node/node-left';
import { runWith, type RunClock } from './run-clock';
import { timeLeft } from './time-left';

/** The most that is shown before the end. */
const MOST_SHOWN = 0.999;
/** A slow answer is as old as when it was asked for; what goes back further is a clock that was set. */
export const CLOCKS_DIFFER_MS = 30_000;
/** A frame is read so soon after it came. */
const JUST_NOW_MS = 1_000;
/** The clock of bars ticks each second: what leaps further was set, or slept. */
const LEAP_MS = 600_000;

/**
 * The clock moves a bar once a second; that of a run of less than ten, of which a second is a tenth and more, twenty times; and of less than
 * one, which it would never reach, 40 times.
 */
export const barTickMs = { shortest: 25, longest: 1_000 };
const SHORT_MS = 10_000;
const MOVES = 20;
const tickOf = (totalMs: number): number => {
  if (totalMs < barTickMs.longest) return barTickMs.shortest;
  return totalMs < SHORT_MS ? totalMs / MOVES : barTickMs.longest;
};

/** The run with its bar at `at`, and what is left of it. */
export interface Shown {
  readonly run: RunClock;
  readonly share: number;
  readonly leftMs: number;
  /** Whether that means something: most of it was measured, in this run or before. */
  readonly isSure: boolean;
}

/**
 * The bar is a clock: the share of time that is over, as far as the end can be told. Where it has shown too much it does
 * not fall: it goes on so slowly that it is there at the end. Where it has shown too little, it catches up.
 */
export function shownAt(before: RunClock, at: number): Shown {
  const run = withClockSet(before, at);
  const { shown, startedAt } = run;
  const left = timeLeft(run, at);
  const isSure = isSureOf(left);
  const leftMs = Math.max(1, left.ms, isSure ? 0 : leftAsBefore(run, at));
  const since = Math.max(0, at - shown.at);
  // What is shown stands until the next news: it is right in the middle of that time.
  const total = Math.max(0, at - startedAt) + leftMs;
  const nextMs = tickOf(total);
  const elapsed = Math.max(0, at - startedAt) + Math.min(left.newsMs, nextMs, leftMs) / 2;
  const slowly = shown.share + (1 - shown.share) * (since / (since + SLOWLY * leftMs));
  const share = Math.min(MOST_SHOWN, Math.max(shown.share, elapsed / total, slowly));
  return {
    run: runWith(run, { shown: { share, at: Math.max(at, shown.at), nextMs } }),
    share,
    leftMs,
    isSure,
  };
}

/** The run by a clock that was set in the midst of it: all that was before is moved by as much. */
function withClockSet(run: RunClock, at: number): RunClock {
  const by = at - run.shown.at;
  if (by >= -CLOCKS_DIFFER_MS && by <= LEAP_MS) return run;
  // What came just now came by the new clock.
  const moved = (time: number): number => (time <= at && time > at - JUST_NOW_MS ? time : time + by);
  let { nodes } = run;
  for (const id of run.running) {
    const node = nodes.get(id);
    if (node === undefined) continue;
    const { startedAt, steppedAt, firstAt, roundAt, phaseAt, heardFrom } = node;
    nodes = nodes.with(id, {
      ...node,
      startedAt: moved(startedAt),
      steppedAt: moved(steppedAt),
      firstAt: moved(firstAt),
      roundAt: moved(roundAt),
      phaseAt: moved(phaseAt),
      ...(heardFrom !== undefined && { heardFrom: moved(heardFrom) }),
    });
  }
  return {
    ...run,
    nodes,
    startedAt: moved(run.startedAt),
    takenUp: { ...run.takenUp, at: moved(run.takenUp.at) },
    shown: { ...run.shown, at },
    clockWasSet: true,
  };
}

/** Whether nothing has moved the bar for so long that the clock is to: rather a little too soon than by the next tick. */
export const isDue = ({ shown }: RunClock, at: number): boolean =>
  at - shown.at >= shown.nextMs - SOON * barTickMs.shortest;
const SOON = 3 / 4;

/** The run with its bar where it was before, of which nothing can be told. */
export const standing = ({ shown: { share } }: RunClock, { run }: Shown): Shown => ({
  run: { ...run, shown: { ...run.shown, share } },
  ...{ share: 0, leftMs: 1, isSure: false },
});

/** What is left as the bar had it when the run was taken up: guesses know less. */
const leftAsBefore = ({ takenUp: { share, at: since }, startedAt }: RunClock, at: number): number =>
  share < 0.01 ? 0 : ((1 - share) / share) * (since - startedAt) - (at - since);

/** How much more slowly than to the end the bar goes on that is ahead of its time. */
const SLOWLY = 3;
