import { readFileSync } from 'node:fs';

/** The longest that the event loop was at work without a break, ms, since it was last asked. */
export interface LoopHeld {
  readonly mostMs: () => number;
}

/**
 * Watches this process's own loop. What counts is the processor time of the main thread between two turns, which does not grow where
 * other processes take the machine; where `/proc` is not there, the time by the clock.
 */
export function loopHeld(): LoopHeld {
  const now = hasProc() ? ofThread : () => performance.now();
  let [last, most] = [now(), 0];
  setInterval(() => {
    const at = now();
    most = Math.max(most, at - last);
    last = at;
  }, 1).unref();
  return {
    mostMs: () => {
      const longest = most;
      most = 0;
      return longest;
    },
  };
}

/** Of the main thread alone, ms. */
const ofThread = (): number => Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6;

function hasProc(): boolean {
  try {
    return Number.isFinite(ofThread());
  } catch {
    return false;
  }
}
