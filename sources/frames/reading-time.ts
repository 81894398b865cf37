import { bounds } from '../../streams/bounds';

/** Bounds the time in which an instance reads frames that newer ones may overtake. All its sockets share it. */
export interface ReadingTime {
  /** Call when a socket had more than it may bring in one turn of the event loop. */
  readonly press: (now: number) => void;
  /** How often these frames of one job are read now. */
  readonly pace: (now: number) => Pace;
  /** Whether another such frame may be read now. */
  readonly allows: (now: number) => boolean;
  /** Runs `reading`, which reads one frame and does all that follows from it. Returns how long that took, ms. */
  readonly spend: (reading: () => void) => number;
}

/**
 * `spaceMs`: between two such frames of one job that are read. `waitMs`: how long a frame waits for a newer one. The
 * space is up to half of `spreadMs` longer or shorter: else jobs that began together would be read together for good.
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

/** While an instance is busy it reads each job less often, so as many jobs give only this share of the reads. */
const LESS_OFTEN = bounds.frameSpaceMs / bounds.busyFrameSpaceMs;

/** How long reads are counted to tell whether they are many, ms. */
const COUNTED_MS = 200;
/** More reads than this in `COUNTED_MS` are many. */
const MUCH = (bounds.busyReadsPerSecond * COUNTED_MS) / 1_000;

/** How long after a socket was too full the instance counts as pressed, ms. */
const PRESSED_MS = 100;
/** Reading time that may be spent at once after a pause, ms. */
const BURST_MS = 5;

/** `nowMs` is a clock of fractions of a millisecond. */
export function readingTime(nowMs: () => number = () => performance.now()): ReadingTime {
  let pressedUntil = 0;
  let spentMs = 0;
  let spentAt = 0;
  let reads = 0;
  let countedFrom = 0;
  let isBusy = false;
  // A clock that was set back by an hour would have an instance pressed, busy or out of time for an hour.
  const isPressed = (now: number): boolean => now < pressedUntil && pressedUntil - now <= PRESSED_MS;
  return {
    press: (now) => {
      pressedUntil = now + PRESSED_MS;
    },
    pace: (now) => {
      if (isPressed(now)) return pressed;
      const countedMs = Math.abs(now - countedFrom);
      if (countedMs >= COUNTED_MS) {
        const much = (bounds.busyReadsPerSecond * countedMs) / 1_000;
        isBusy = reads > (isBusy ? much * LESS_OFTEN : much);
        [reads, countedFrom] = [0, now];
      }
      return isBusy ? busy : calm;
    },
    allows: (now) => {
      if (!isPressed(now)) return true;
      spentMs = Math.max(0, spentMs - Math.max(0, now - spentAt) * bounds.readingShare);
      spentAt = now;
      return spentMs < BURST_MS;
    },
    spend: (reading) => {
      reads += 1;
      // Checked at each read, not only when they are counted: a thousand jobs may begin to report together.
      isBusy ||= reads > MUCH;
      const began = nowMs();
      reading();
      const tookMs = nowMs() - began;
      spentMs += tookMs;
      return tookMs;
    },
  };
}
