/** What a run's plan told of its time. */
export interface PlannedTime {
  readonly ms: number;
  /** How sure that is: 0 a guess by names, 1 measured. */
  readonly trust: number;
}

/** A run as it was seen. */
export interface Seen {
  readonly ms: number;
  readonly planned: PlannedTime | undefined;
}

/** How long a run will take by what others took. */
export interface Likely {
  /** Their mean, ms: runs are added up. */
  readonly ms: number;
  /** The standard deviation of one of them, and of their mean, ms. */
  readonly spreadMs: number;
  readonly biasMs: number;
  /** Whether it follows from what they took of their plans. */
  readonly isByPlan: boolean;
}

/** The mean and the deviation of some times; few tell less of how they vary than `spread`, a share of their mean. */
export function likelyOf(times: readonly number[], spread: number): Likely | undefined {
  const count = times.length;
  if (count === 0) return undefined;
  const ms = times.reduce((sum, time) => sum + time, 0) / count;
  const square = times.reduce((sum, time) => sum + (time - ms) ** 2, (spread * ms) ** 2);
  return { ms, spreadMs: Math.sqrt(square / count), biasMs: Math.sqrt(square) / count, isByPlan: false };
}

/** Runs must have kept to their plans so much better than to one time. */
const BETTER = 0.8;
/** Plans of which one knows more than the other by this are not compared. */
const ALIKE_TRUST = 0.2;

/** The likely time of a run of this plan: what others took, or what they took of their plans, whichever varies less. */
export function likely(runs: readonly Seen[], own: PlannedTime, spread: number): Likely | undefined {
  const one = likelyOf(
    runs.map(({ ms }) => ms),
    spread,
  );
  const scaled = likelyByPlan(runs, own, spread);
  if (one === undefined || scaled === undefined) return one;
  return scaled.spreadMs / scaled.ms < (BETTER * one.spreadMs) / one.ms ? scaled : one;
}

/** What others took of their plans, for this one; `undefined` if most of their plans do not compare with it. */
export function likelyByPlan(runs: readonly Seen[], own: PlannedTime, spread: number): Likely | undefined {
  const ratios = runs.flatMap(({ ms, planned }) => {
    const compares = planned !== undefined && Math.abs(planned.trust - own.trust) <= ALIKE_TRUST;
    return compares && planned.ms > 0 ? [ms / planned.ms] : [];
  });
  const ratio = likelyOf(ratios, spread);
  if (ratio === undefined || own.ms === 0 || 2 * ratios.length < runs.length) return undefined;
  const { ms, spreadMs, biasMs } = ratio;
  return { ms: ms * own.ms, spreadMs: spreadMs * own.ms, biasMs: biasMs * own.ms, isByPlan: true };
}
