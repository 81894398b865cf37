import type { SchedulerLike } from 'rxjs';

/** The longest `Retry-After` that is heeded, ms. */
const LONGEST_MS = 30_000;

/** Does not ask a server before the time that it gave with a 429: until then requests reject with `early`. */
export function retryAfter(clock: SchedulerLike, early: () => Error) {
  let [from, until] = [0, 0];
  // If `now` is before `from`, the clock was set back, and tells no more how long ago the 429 was.
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

/** How long the header asks to wait, ms: it gives seconds, or a date. */
function retryAfterMs(header: unknown, now: number): number {
  if (typeof header !== 'string') return 0;
  return /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
}
