import { bounds } from '../../streams/bounds';

/** How much of its time an instance reads frames that newer ones may overtake: all its sockets share it. */
export interface ReadingTime {
  /** A socket has more than it may bring in one turn of the event loop. */
  readonly press: (now: number) => void;
  /** How often these frames of one job are read now. */
  readonly pace: (now: number) => Pace;
  /** Whether another may be read now. */
  readonly allows: (now: number) => boolean;
  /** Reads one, and all that follows from it. */
  readonly spend: (reading: () => void) => void;
}

/** Ms between two of these frames of one job that are read, and how long one waits for a newer one. */
export interface Pace {
  readonly spaceMs: number;
  readonly waitMs: number;
}

const calm: Pace = { spaceMs: bounds.frameSpaceMs, waitMs: bounds.frameWaitMs };
const busy: Pace = { spaceMs: bounds.busyFrameSpaceMs, waitMs: bounds.busyFrameWaitMs };
const pressed: Pace = { spaceMs: bounds.pressedFrameSpaceMs, waitMs: bounds.busyFrameWaitMs };

/** For so long what is read is counted, to tell whether it is much. */
const COUNTED_MS = 200;

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
        // Jobs that are read half as often for being many are as many as before.
        const much = (bounds.busyReadsPerSecond * (now - countedFrom)) / 1_000;
        isBusy = reads > (isBusy ? much / 2 : much);
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
      const began = nowMs();
      reading();
      spentMs += nowMs() - began;
    },
  };
}
