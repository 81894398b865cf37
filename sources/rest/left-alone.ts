import type { SchedulerLike } from 'rxjs';

/** The longest that a server is left alone at its word, ms. */
const LONGEST_MS = 30_000;

/** A server that said with a 429 when to ask again is not asked before: what is asked rejects with `early`. */
export function leftAlone(clock: SchedulerLike, early: () => Error) {
  let [from, until] = [0, 0];
  // A clock that was set back tells nothing of how long ago that was.
  const isEarly = (now: number): boolean => now >= from && now < until;
  return {
    heed: (status: number, retryAfter: unknown): void => {
      const now = clock.now();
      const ms = status === 429 ? retryAfterMs(retryAfter, now) : 0;
      if (ms > 0) [from, until] = [now, now + Math.min(ms, LONGEST_MS)];
    },
    after: <T>(work: () => Promise<T>): Promise<T> => (isEarly(clock.now()) ? Promise.reject(early()) : work()),
  };
}

/** The header's seconds, or its date. */
function retryAfterMs(header: unknown, now: number): number {
  if (typeof header !== 'string') return 0;
  return /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
}
