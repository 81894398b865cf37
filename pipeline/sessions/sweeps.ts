import type { SessionKey } from '../../sinks/leases';

/** Per sweep an instance takes at most half of the orphaned sessions, and never fewer than two, so that instances share them. */
const AT_LEAST = 2;
/** The next sweep comes after 200 ms where one left orphans, or an instance gave a session back. */
export const AGAIN_MS = 200;
/**
 * After an outage of the store all leases may have run out at once: whoever had them gets so long to extend them, and to
 * store what happened meanwhile, before others take over.
 */
const GRACE_MS = 4_000;

/** What the sweeps for orphans have come to. */
export interface Sweeping {
  /** The store did not answer the last one. */
  readonly isFailing: boolean;
  /** Orphans are left until then to whoever had them. */
  readonly graceUntil: number;
  /** To the next one, unless a session is given back before. */
  readonly waitMs: number;
  /** The orphans that are to be taken now. */
  readonly some: readonly SessionKey[];
}

/** What a sweep found: orphans of servers that are served here, and when the next lease runs out. */
export interface Found {
  readonly wanted: readonly SessionKey[];
  readonly nextInMs?: number | undefined;
}

export interface SweepPolicy {
  /** Between sweeps, ± 20 %. */
  readonly sweepMs: number;
  readonly random: () => number;
}

export const unswept: Sweeping = { isFailing: false, graceUntil: 0, waitMs: 0, some: [] };

/** The store did not answer. */
export const afterFailure = (before: Sweeping, { sweepMs }: SweepPolicy): Sweeping => ({
  ...before,
  isFailing: true,
  waitMs: sweepMs,
  some: [],
});

/** The store answered. */
export function afterAnswer(before: Sweeping, found: Found, now: number, policy: SweepPolicy): Sweeping {
  const { wanted, nextInMs = Number.POSITIVE_INFINITY } = found;
  const { sweepMs, random } = policy;
  const graceUntil = before.isFailing ? now + GRACE_MS : before.graceUntil;
  const after = { isFailing: false, graceUntil };
  // The clock may have been set back since: no wait is longer than the whole grace.
  if (wanted.length > 0 && now < graceUntil)
    return { ...after, waitMs: Math.min(graceUntil - now, GRACE_MS), some: [] };
  const some = shareOf(wanted, random);
  const waitMs =
    some.length < wanted.length ? AGAIN_MS : Math.min(sweepMs * (0.8 + 0.4 * random()), nextInMs + AGAIN_MS / 4);
  return { ...after, waitMs, some };
}

/** Begins at a random place: instances that sweep at the same moment would otherwise all ask for the same half. */
function shareOf(wanted: readonly SessionKey[], random: () => number): readonly SessionKey[] {
  const first = Math.floor(random() * wanted.length);
  const most = Math.max(AT_LEAST, Math.ceil(wanted.length / 2));
  return [...wanted.slice(first), ...wanted.slice(0, first)].slice(0, most);
}
