import type { SessionKey } from '../../sinks/leases';

/**
 * Per sweep an instance takes at most half of the orphaned sessions, and never fewer than two, so that instances share
 * them.
 */
const AT_LEAST = 2;
/** The next sweep comes after 200 ms if one left orphans, and within 200 ms after an instance gave a session back. */
export const AGAIN_MS = 200;
/**
 * After an outage of the store all leases may have run out at once. Their holders get 4 s to extend them, and to store
 * what happened meanwhile, before other instances take them over.
 */
const GRACE_MS = 4_000;

/** The state of the sweeps for orphans after one of them. */
export interface Sweeping {
  /** Whether the store did not answer the last sweep. */
  readonly isFailing: boolean;
  /** Until then no orphan is taken, so that its last holder can extend its lease. */
  readonly graceUntil: number;
  /** The wait to the next sweep, which comes sooner if a session is given back. */
  readonly waitMs: number;
  /** The orphans to take now. */
  readonly some: readonly SessionKey[];
}

/** What a sweep found: orphans of this pipeline's servers, and when the next lease runs out. */
export interface SweepAnswer {
  readonly wanted: readonly SessionKey[];
  readonly nextInMs?: number | undefined;
}

export interface SweepPolicy {
  /** The time between two sweeps, ± 20 %. */
  readonly sweepMs: number;
  readonly random: () => number;
}

export const unswept: Sweeping = { isFailing: false, graceUntil: 0, waitMs: 0, some: [] };

/** The sweeps after one that the store did not answer. */
export const afterFailure = (before: Sweeping, { sweepMs }: SweepPolicy): Sweeping => ({
  ...before,
  isFailing: true,
  waitMs: sweepMs,
  some: [],
});

/** The sweeps after one that the store answered. */
export function afterAnswer(before: Sweeping, found: SweepAnswer, now: number, policy: SweepPolicy): Sweeping {
  const { wanted, nextInMs = Number.POSITIVE_INFINITY } = found;
  const { sweepMs, random } = policy;
  const graceUntil = before.isFailing ? now + GRACE_MS : before.graceUntil;
  const after = { isFailing: false, graceUntil };
  // At most the whole grace: the clock may have been set back since.
  if (wanted.length > 0 && now < graceUntil)
    return { ...after, waitMs: Math.min(graceUntil - now, GRACE_MS), some: [] };
  const some = shareOf(wanted, random);
  const waitMs =
    some.length < wanted.length ? AGAIN_MS : Math.min(sweepMs * (0.8 + 0.4 * random()), nextInMs + AGAIN_MS / 4);
  return { ...after, waitMs, some };
}

/**
 * The orphans to take, from a random place on: instances that sweep at the same moment would all take the same half.
 */
function shareOf(wanted: readonly SessionKey[], random: () => number): readonly SessionKey[] {
  const first = Math.floor(random() * wanted.length);
  const most = Math.max(AT_LEAST, Math.ceil(wanted.length / 2));
  return [...wanted.slice(first), ...wanted.slice(0, first)].slice(0, most);
}
