import { bounds } from '../../streams/bounds';

/** How much of its time an instance reads frames that newer ones may overtake: all its sockets share it. */
export interface ReadingTime {
  /** A socket has more than it may bring in one turn of the event loop. */
  readonly press: (now: number) => void;
  /** How often these frames of one job are read now. */
  readonly pace: (now: number) => Pace;
  /** Whether another may be read now. */
  readonly allows: (now: number) => boolean;
  /** Reads one, and all that follows from it; how many ms that took. */
  readonly spend: (reading: () => void) => number;
}

/**
 * Ms between two of these frames of one job that are read, and how long one waits for a newer one. Where many jobs are
 * read, the space is up to half of `spreadMs` longer or shorter: jobs that began together would be read together for good.
 */
export interface Pace {
  readonly spaceMs: number;
  readonly spreadMs: number;
  readonly waitMs: number;
}

const calm: Pace = { spaceMs: bounds.frameSpaceMs, spreadMs: 0, waitMs: bounds.frameWaitMs };
const many = { spreadMs: bounds.busyFrameSpaceMs / 2, waitMs: bounds.busyFrameWaitMs };
const busy: Pace = { spaceMs: bounds.busyFrameSpaceMs, ...many };
const pressed: Pace = { spaceMs: bounds.pressedFrameSpaceMs, ...many };

/** Jobs that are read less often for being many are as many as before. */
const LESS_OFTEN = bounds.frameSpaceMs / bounds.busyFrameSpaceMs;

/** For so long what is read is counted, to tell whether it is much. */
const COUNTED_MS = 200;
const MUCH = (bounds.busyReadsPerSecond * COUNTED_MS) / 1_000;

/** For so long after a socket was too full, more comes than can be taken. */
const PRESSED_MS = 100;
/** What may be spent at once, ms, after a while of nothing. */
const BURST_MS = 5;

/** `nowMs` is a clock of fractions of a millisecond. */
export function readingTime(nowMs: () => number = () => performance.now()): ReadingTime {
  let pressedUntil = 0;
  let spentMs = 0;
  let spentAt = 0;
  let reads = 0;
  let countedFrom = 0;
  let isBusy = false;
  const isPressed = (now: number): boolean => now < pressedUntil;
  return {
    press: (now) => {
      pressedUntil = now + PRESSED_MS;
    },
    pace: (now) => {
      if (isPressed(now)) return pressed;
      if (now - countedFrom >= COUNTED_MS) {
        const much = (bounds.busyReadsPerSecond * (now - countedFrom)) / 1_000;
        isBusy = reads > (isBusy ? much * LESS_OFTEN : much);
        [reads, countedFrom] = [0, now];
      }
      return isBusy ? busy : calm;
    },
    allows: (now) => {
      if (!isPressed(now)) return true;
      spentMs = Math.max(0, spentMs - (now - spentAt) * bounds.readingShare);
      spentAt = now;
      return spentMs < BURST_MS;
    },
    spend: (reading) => {
      reads += 1;
      // Seen at once, and not when they are counted: a thousand jobs may begin to tell together.
      isBusy ||= reads > MUCH;
      const began = nowMs();
      reading();
      const tookMs = nowMs() - began;
      spentMs += tookMs;
      return tookMs;
    },
  };
}
