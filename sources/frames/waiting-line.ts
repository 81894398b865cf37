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
  /** Has a frame of the present read wait in its job's lane, in place of the one before. */
  readonly wait: (lane: Lane, bytes: Buffer, start: number, end: number, now: number) => void;
  /** Copies the lane's waiting frame, if one waits: its bytes are no read's. */
  readonly copy: (lane: Lane) => void;
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
  const spare = spareBytes();
  const pages = keptPages();
  const present = presentRead(pages, spare.take);
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
      present.join(lane, start, end);
      lane.waiting = bytes;
      lane.cameAt = now;
    },
    copy: (lane) => {
      if (lane.waiting === undefined) return;
      pages.leave(lane);
      copyOut(lane, lane.waiting, spare.take);
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
    settle: present.settle,
    clear: () => {
      for (const lane of line) lane.waiting = undefined;
      line.clear();
      present.clear();
    },
  };
}

/** The read whose frames are taken now, and the lanes in which some of them wait. */
function presentRead(pages: ReturnType<typeof keptPages>, more: (length: number) => Buffer) {
  let page = newPage();
  let read = 0;
  /** The last lane in which a frame waited; each names the one before: an array that is emptied grows anew in each read. */
  let last: Lane | undefined;
  return {
    join: (lane: Lane, start: number, end: number): void => {
      if (lane.page === page) page.waitingBytes -= lane.end - lane.start;
      else {
        pages.leave(lane);
        lane.page = page;
        page.lanes += 1;
      }
      page.waitingBytes += end - start;
      lane.start = start;
      lane.end = end;
      if (lane.read === read) return;
      lane.read = read;
      lane.before = last;
      last = lane;
    },
    settle: (bytes: Buffer): Buffer => {
      const settled = page;
      const isKept = settled.waitingBytes >= bytes.length * MUCH && pages.keep(settled, bytes);
      if (isKept) page = newPage();
      else
        for (let lane = last; lane !== undefined; lane = lane.before)
          if (lane.page === settled && lane.waiting !== undefined) {
            pages.leave(lane);
            copyOut(lane, lane.waiting, more);
          }
      read += 1;
      last = undefined;
      return isKept ? pages.free(bytes.length) : bytes;
    },
    clear: (): void => {
      last = undefined;
    },
  };
}

const newPage = (): Page => ({ bytes: undefined, lanes: 0, waitingBytes: 0 });

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
 * jobs report at once, each frame waits: to copy each takes as long as to find its job, and leaves a view behind. To
 * keep a read costs the same however many wait in it.
 */
function keptPages() {
  const spare: Buffer[] = [];
  let count = 0;
  return {
    keep: (page: Page, bytes: Buffer): boolean => {
      if (count >= MOST_PAGES) return false;
      count += 1;
      page.bytes = bytes;
      return true;
    },
    leave: (lane: Lane): void => {
      const { page } = lane;
      if (page === undefined) return;
      lane.page = undefined;
      page.lanes -= 1;
      page.waitingBytes -= lane.end - lane.start;
      if (page.lanes > 0 || page.bytes === undefined) return;
      count -= 1;
      if (spare.length < MOST_SPARE_PAGES) spare.push(page.bytes);
    },
    free: (length: number): Buffer => spare.pop() ?? Buffer.allocUnsafeSlow(length),
  };
}
