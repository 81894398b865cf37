import { isSettled, type JobState } from '../../gateway/client/index'; // in an application: 'comfyui-jobstream/client'

/** A state, and when the user saw it, ms since 1970. */
export interface Seen {
  readonly at: number;
  readonly job: JobState;
}

/** While the service was ended and came back, ms since 1970. */
export interface Restart {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** A running job is told of once a second; the rest is for a machine that is busy. */
const QUIET_MS = 6_000;
const BUSY_QUIET_MS = 60_000;
/** The client tries again after 10 s at most. */
const RECONNECT_MS = 10_000;
/** On top of a tenth of what was left: a step takes an eighth of a second here, and 18 s in a training that is not scaled. */
const SCALED_MS = 1_500;
const ETA_SHARE = 0.1;

/**
 * What is wrong with what a user saw of a job, from the first state to the last. `told` is how a time is told. On a machine
 * that is busy with other things, steps change their pace: there no ETA is judged, and a minute without news is none.
 */
export function complaints(
  seen: readonly Seen[],
  restarts: readonly Restart[],
  told: (ms: number) => string,
  isBusy = false,
): readonly string[] {
  const end = seen.at(-1)?.job;
  if (end === undefined) return ['nothing was seen'];
  const pairs = seen.slice(1).map((next, n) => [seen[n] ?? next, next] as const);
  return [
    ...pairs
      .filter(([before, next]) => calmBetween(before.at, next.at, restarts) > (isBusy ? BUSY_QUIET_MS : QUIET_MS))
      .map(([before, next]) => `no news for ${told(next.at - before.at)} at ${before.job.progress} %`),
    ...pairs
      .filter(([before, next]) => next.job.progress < before.job.progress)
      .map(([before, next]) => `a step back from ${before.job.progress} % to ${next.job.progress} %`),
    ...(end.status === 'completed' && end.progress === 100 && (end.outputs ?? []).length > 0
      ? []
      : [`it ended as ${end.status}, at ${end.progress} %, with ${end.outputs?.length ?? 0} outputs`]),
    ...restarts.flatMap((restart) =>
      !isBusy && etaAfter(seen, restart)?.isGood === false ? [etaWords(seen, restart, told)] : [],
    ),
  ];
}

/** The longest that a user saw nothing new, ms; in it, the time the service was away. */
export const longestSilence = (seen: readonly Seen[]): number =>
  seen.reduce((longest, { at }, n) => Math.max(longest, at - (seen[n - 1]?.at ?? at)), 0);

/** The first ETA that was told after a restart, beside what came. */
export function etaWords(seen: readonly Seen[], restart: Restart, told: (ms: number) => string): string {
  const eta = etaAfter(seen, restart);
  if (eta === undefined) return `after ${restart.name}: it ended meanwhile`;
  if (eta.toldMs === undefined) return `after ${restart.name}: no time left was told`;
  const off = Math.abs(eta.toldMs - eta.wereMs) / Math.max(1, eta.wereMs);
  return `after ${restart.name}: ${told(eta.toldMs)} left was told, it took ${told(eta.wereMs)}: off by ${Math.round(100 * off)} %`;
}

interface Eta {
  readonly toldMs: number | undefined;
  readonly wereMs: number;
  readonly isGood: boolean;
}

/** `undefined` where the job ended before the service was back. */
function etaAfter(seen: readonly Seen[], { from }: Restart): Eta | undefined {
  const epoch = seen.findLast(({ at }) => at <= from)?.job.epoch ?? 0;
  const after = seen.filter(({ at, job }) => at > from && job.epoch > epoch);
  if (after[0] === undefined || isSettled(after[0].job)) return undefined;
  const told = after.find(({ job }) => job.etaMs !== undefined)?.job;
  const finishedAt = seen.at(-1)?.job.finishedAt ?? Number.NaN;
  if (told?.etaMs === undefined) return { toldMs: undefined, wereMs: finishedAt - from, isGood: false };
  const wereMs = finishedAt - told.updatedAt;
  return {
    toldMs: told.etaMs,
    wereMs,
    isGood: Math.abs(told.etaMs - wereMs) <= ETA_SHARE * wereMs + SCALED_MS,
  };
}

/** How much of a time no restart excuses, ms. */
const calmBetween = (from: number, to: number, restarts: readonly Restart[]): number =>
  restarts.reduce(
    (calm, restart) => calm - Math.max(0, Math.min(to, restart.to + RECONNECT_MS) - Math.max(from, restart.from)),
    to - from,
  );
