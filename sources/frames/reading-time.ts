import { bounds } from '../../streams/bounds';

/** How much of its time an instance reads frames that newer ones may overtake: all its sockets share it. */
export interface ReadingTime {
  /** A socket has more than it may bring in one turn of the event loop. */
  readonly press: (now: number) => void;
  /** Between two of these frames of one job, ms. */
  readonly spaceMs: (now: number) => number;
  /** Whether another may be read now. */
  readonly allows: (now: number) => boolean;
  /** Reads one, and all that follows from it. */
  readonly spend: (reading: () => void) => void;
}

/** For so long after a socket was too full, more comes than can be taken. */
const PRESSED_MS = 100;
/** What may be spent at once, ms, after a while of nothing. */
const BURST_MS = 5;

/** `nowMs` is a clock of fractions of a millisecond. */
export function readingTime(nowMs: () => number = () => performance.now()): ReadingTime {
  let pressedUntil = 0;
  let spentMs = 0;
  let spentAt = 0;
  const isPressed = (now: number): boolean => now < pressedUntil;
  return {
    press: (now) => {
      pressedUntil = now + PRESSED_MS;
    },
    spaceMs: (now) => (isPressed(now) ? bounds.pressedFrameSpaceMs : bounds.frameSpaceMs),
    allows: (now) => {
      if (!isPressed(now)) return true;
      spentMs = Math.max(0, spentMs - (now - spentAt) * bounds.readingShare);
      spentAt = now;
      return spentMs < BURST_MS;
    },
    spend: (reading) => {
      const began = nowMs();
      reading();
      spentMs += nowMs() - began;
    },
  };
}
