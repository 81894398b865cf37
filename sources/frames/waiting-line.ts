import { bounds } from '../../streams/bounds';
import type { Lane, Page } from './lanes';

/** How many bytes more than its frame a buffer for a waiting frame has: a job's frames grow while a node counts. */
const ROOM_BYTES = 16;
/** The least bytes of such a buffer; those of this size are used again, at most `MOST_SPARE` at a time. */
const SPARE_BYTES = 512;
const MOST_SPARE = 256;

/** A read is kept as it is if at least this share of its bytes waits. */
const MUCH = 1 / 4;
/** How many reads are kept as they are, and how many of their buffers are there for the next. */
const MOST_PAGES = 64;
const MOST_SPARE_PAGES = 8;

/** The lanes in which a frame waits. */
export interface WaitingLine {
  /** The one that has waited longest first. */
  readonly lanes: () => readonly Lane[];
  readonly isEmpty: () => boolean;
  /** Whether a frame of this many bytes may wait in the lane, within `bounds.waitingFramesBytes`. */
  readonly hasRoom: (lane: Lane, bytes: number) => boolean;
  /** Has a frame wait in its job's lane, in place of the one before. */
  readonly wait: (lane: Lane, bytes: Buffer, start: number, end: number, now: number) => void;
  /** Removes the lane's waiting frame. */
  readonly leave: (lane: Lane) => void;
  /**
   * Call before these bytes are written over. Keeps them if much of them waits; else copies the waiting frames. Returns
   * the bytes to write to.
   */
  readonly settle: (bytes: Buffer) => Buffer;
  readonly clear: () => void;
}

export function waitingLine(): WaitingLine {
  const line = new Set<Lane>();
  /** The lanes whose frame waits in the socket's own buffer: a list, as an array that is emptied grows anew in each read. */
  let lent: Lane | undefined;
  const spare = spareBytes();
  const pages = keptPages();
  let heldBytes = 0;

  return {
    lanes: () => [...line],
    isEmpty: () => line.size === 0,
    hasRoom: (lane, bytes) => heldBytes + Math.max(0, bytes - lane.heldBytes) <= bounds.waitingFramesBytes,
    wait: (lane, bytes, start, end, now) => {
      if (lane.waiting === undefined) line.add(lane);
      const longest = Math.max(lane.heldBytes, end - start);
      heldBytes += longest - lane.heldBytes;
      lane.heldBytes = longest;
      lane.waiting = bytes;
      lane.cameAt = now;
      lane.start = start;
      lane.end = end;
      if (lane.isLent) return;
      pages.leave(lane);
      lane.isLent = true;
      lane.lentBefore = lent;
      lent = lane;
    },
    leave: (lane) => {
      if (lane.waiting === undefined) return;
      lane.waiting = undefined;
      line.delete(lane);
      heldBytes -= lane.heldBytes;
      lane.heldBytes = 0;
      pages.leave(lane);
      spare.give(lane.copy);
      lane.copy = undefined;
    },
    settle: (bytes) => {
      let much = bytes.length * MUCH;
      for (let lane = lent; lane !== undefined; lane = lane.lentBefore)
        if (lane.waiting === bytes) much -= lane.end - lane.start;
      const page = much <= 0 ? pages.kept(bytes) : undefined;
      for (let lane = lent; lane !== undefined; lane = lane.lentBefore) {
        lane.isLent = false;
        if (lane.waiting === bytes && page !== undefined) pages.join(lane, page);
        else if (lane.waiting !== undefined) copyOut(lane, lane.waiting, spare.take);
      }
      lent = undefined;
      return page === undefined ? bytes : pages.free(bytes.length);
    },
    clear: () => {
      for (const lane of line) lane.waiting = undefined;
      line.clear();
      lent = undefined;
    },
  };
}

/** Copies a waiting frame out of the socket's buffer: of those that came together only the last. */
function copyOut(lane: Lane, waiting: Buffer, more: (length: number) => Buffer): void {
  const length = lane.end - lane.start;
  if (lane.copy === undefined || lane.copy.length < length) lane.copy = more(length);
  waiting.copy(lane.copy, 0, lane.start, lane.end);
  lane.waiting = lane.copy;
  lane.start = 0;
  lane.end = length;
}

/** Buffers for waiting frames of any job: to make one costs more than to copy a frame. */
function spareBytes() {
  const spare: Buffer[] = [];
  return {
    take: (length: number): Buffer =>
      (length <= SPARE_BYTES ? spare.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(SPARE_BYTES, length + ROOM_BYTES)),
    give: (bytes: Buffer | undefined): void => {
      if (bytes?.length === SPARE_BYTES && spare.length < MOST_SPARE) spare.push(bytes);
    },
  };
}

/**
 * Reads whose bytes are kept as they are, until the last frame that waits in them is read or overtaken. When a thousand
 * jobs report at once, each frame waits: to copy each takes as long as to find its job, and leaves a view behind.
 */
function keptPages() {
  const spare: Buffer[] = [];
  let count = 0;
  return {
    kept: (bytes: Buffer): Page | undefined => {
      if (count >= MOST_PAGES) return undefined;
      count += 1;
      return { bytes, lanes: 0 };
    },
    join: (lane: Lane, page: Page): void => {
      lane.page = page;
      page.lanes += 1;
    },
    leave: (lane: Lane): void => {
      const { page } = lane;
      if (page === undefined) return;
      lane.page = undefined;
      page.lanes -= 1;
      if (page.lanes > 0) return;
      count -= 1;
      if (spare.length < MOST_SPARE_PAGES) spare.push(page.bytes);
    },
    free: (length: number): Buffer => spare.pop() ?? Buffer.allocUnsafeSlow(length),
  };
}
