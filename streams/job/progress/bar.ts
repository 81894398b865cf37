import { isSureOf } from './node/node-left';
import { MEASURED_TRUST } from './plan/expected';
import { runWith, type RunClock } from './run-clock';
import { timeLeft } from './time-left';

/** The greatest share that a bar shows before the job is completed. */
const MOST_SHOWN = 0.999;
/** The same while a node is at work of which nobody knows how often it counts, or how long it is silent. */
const MOST_GUESSED = 0.97;
/** From its middle on the bar moves by a thousandth whenever the time has grown by a twelfth, so that it never stands. */
const CREEP = 0.001 / Math.log(1 + 1 / 12);
const MIDDLE = 0.5;
/**
 * An event may be this much older than the last one, as a slow answer is; one that is older still means a clock set
 * back.
 */
export const CLOCKS_DIFFER_MS = 30_000;
/** A frame is read within this time after it came, ms. */
const JUST_NOW_MS = 1_000;
/** Bars are drawn each second: a greater leap of time means that the clock was set, or the process slept. */
const LEAP_MS = 600_000;

/**
 * How often the clock moves a bar, ms: once a second; the bar of a run of less than 20 s 20 times in all; the bar of
 * one of less than 1 s, which no tick might reach, every 25 ms.
 */
export const barTickMs = { shortest: 25, longest: 1_000 };
const SHORT_MS = 20_000;
const MOVES = 20;
const tickOf = (totalMs: number): number => {
  if (totalMs < barTickMs.longest) return barTickMs.shortest;
  return totalMs < SHORT_MS ? totalMs / MOVES : barTickMs.longest;
};

/** A run with its bar at one time, and what is left of the run. */
export interface Shown {
  readonly run: RunClock;
  readonly share: number;
  readonly leftMs: number;
  /** Whether `leftMs` may be told: six tenths of it were measured, in this run or before. */
  readonly isSure: boolean;
}

/**
 * The run with its bar drawn at `at`. The bar is a clock: the share of the run's time that is over, by what is known of
 * its end. If it has shown too much it does not fall (R2), but goes on at an eighth of the pace; if too little, it leaps.
 */
export function shownAt(before: RunClock, at: number): Shown {
  const run = withClockSet(before, at);
  const { shown, startedAt } = run;
  const left = timeLeft(run, at);
  const isSure = isSureOf(left);
  const leftMs = Math.max(1, left.ms, isSure ? 0 : leftAsBefore(run, at));
  const since = Math.max(0, at - shown.at);
  // The bar stands until the next news, so it shows the middle of that time.
  const total = Math.max(0, at - startedAt) + leftMs;
  const nextMs = tickOf(total);
  const elapsed = Math.max(0, at - startedAt) + Math.min(left.newsMs, nextMs, leftMs) / 2;
  const slowly = shown.share + (1 - shown.share) * (since / (since + SLOWLY * leftMs));
  const most = isGuessed(run) ? MOST_GUESSED : MOST_SHOWN;
  const share = Math.min(MOST_SHOWN, Math.max(crept(run, at), Math.min(most, Math.max(elapsed / total, slowly))));
  return {
    run: runWith(run, { shown: { share, at: Math.max(at, shown.at), nextMs } }),
    share,
    leftMs,
    isSure,
  };
}

function crept({ shown, startedAt }: RunClock, at: number): number {
  const before = shown.at - startedAt;
  if (shown.share < MIDDLE || before <= 0 || at <= shown.at) return shown.share;
  return shown.share + CREEP * Math.log((at - startedAt) / before);
}

const isGuessed = ({ running, nodes, plan }: RunClock): boolean =>
  running.some((id) => {
    const { trust = 1 } = nodes.get(id)?.expected ?? {};
    return trust < MEASURED_TRUST && plan.nodes.get(id)?.prior.stepMs === undefined;
  });

/** The run after its clock was set: all earlier times are moved by as much, so that neither bar nor pace leaps. */
function withClockSet(run: RunClock, at: number): RunClock {
  const by = at - run.shown.at;
  if (by >= -CLOCKS_DIFFER_MS && by <= LEAP_MS) return run;
  // Times of the last second are of the new clock already.
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

/** Whether the clock must move the bar now; up to 19 ms early, so that it does not wait for the tick after. */
export const isDue = ({ shown }: RunClock, at: number): boolean =>
  at - shown.at >= shown.nextMs - SOON * barTickMs.shortest;
const SOON = 3 / 4;

/** The run with its bar where it was before, and with nothing known of its end. */
export const standing = ({ shown: { share } }: RunClock, { run }: Shown): Shown => ({
  run: { ...run, shown: { ...run.shown, share } },
  share: 0,
  leftMs: 1,
  isSure: false,
});

/** The time left by the bar that the run was taken up with, ms: it knew more than guesses do now. */
const leftAsBefore = ({ takenUp: { share, at: since }, startedAt }: RunClock, at: number): number =>
  share < 0.01 ? 0 : ((1 - share) / share) * (since - startedAt) - (at - since);

/** A bar that is ahead of its time goes on as if this many times as much were left. */
const SLOWLY = 8;
