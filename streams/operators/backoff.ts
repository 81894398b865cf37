/** How long to wait before the next attempt. */
export interface Backoff {
  /** After a subscription that lived for this many ms before it failed, attempts count from 1 again. */
  readonly steadyMs: number;
  /** Ms to wait before attempt `n`, counted from 1, after `error`. */
  readonly delayMs: (n: number, error?: unknown) => number;
}

/**
 * Full jitter: a random wait from 0 to a limit that doubles from `firstMs` to `maxMs`, so that many clients spread out.
 */
export const jittered = (
  { firstMs, maxMs, steadyMs }: { firstMs: number; maxMs: number; steadyMs: number },
  random: () => number,
): Backoff => ({ steadyMs, delayMs: (n) => random() * Math.min(maxMs, firstMs * 2 ** Math.min(n - 1, 30)) });
