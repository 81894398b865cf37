/** How long to wait before trying again. */
export interface Backoff {
  /** A subscription that lived for so many ms before it failed starts counting attempts at 1 again. */
  readonly steadyMs: number;
  /** Ms to wait before attempt `n`, counted from 1, after `error`. */
  readonly delayMs: (n: number, error?: unknown) => number;
}

/** Doubles from `firstMs` up to `maxMs`, with full jitter: any wait from nothing to that, so that many clients do not return at once. */
export const jittered = (
  { firstMs, maxMs, steadyMs }: { firstMs: number; maxMs: number; steadyMs: number },
  random: () => number,
): Backoff => ({ steadyMs, delayMs: (n) => random() * Math.min(maxMs, firstMs * 2 ** Math.min(n - 1, 30)) });
