import type { SchedulerLike, Subscription } from 'rxjs';
import type { BoardEvent } from '../../streams/board/board';
import { bounds } from '../../streams/bounds';
import { overtakable, promptIdEnd, promptIdStart } from './frame-head';
import { frameLanes, type Lane, type Lanes } from './lanes';
import type { ReadingTime } from './reading-time';

/**
 * The text frames of one socket, in the order in which they are read. A `progress_state` says all that those before it
 * said, so only the newest of a job is read, when its turn comes, and a `progress` beside it not at all. The first of a
 * burst is read at once, and so is every other frame, after what waits of its job.
 */
export interface NewestFrames {
  /** A frame came: from `start` to `end` of these bytes, which are not to change until `settle`. */
  readonly take: (bytes: Buffer, start: number, end: number) => void;
  /** What was taken so far is copied where it waits: its bytes are about to be written over. */
  readonly settle: () => void;
  /** Reads all that waits: nothing more will come. */
  readonly flush: () => void;
  readonly close: () => void;
}

export interface NewestFramesOptions {
  /** What a frame says. */
  readonly read: (frame: Buffer) => readonly BoardEvent[];
  /** Told of what was read. */
  readonly tell: (events: readonly BoardEvent[]) => void;
  readonly clock: SchedulerLike;
  readonly time: ReadingTime;
  /** 0–1. */
  readonly random?: () => number;
}

/** A server that tells of a step by `progress_state` tells of each so: its `progress` says nothing new. */
const SAID_MS = 1_000;
const TICK_MS = 20;
/** What waited is read for so long in one turn of the event loop; the rest is in the next. */
const TURN_MS = 5;
/** Bytes that a waiting frame is copied to: so many more than it has, and up to so many are kept for the next frame of any job. */
const ROOM_BYTES = 16;
const SPARE_BYTES = 512;
const MOST_SPARE = 256;

export function newestFrames({ read, tell, clock, time, random = Math.random }: NewestFramesOptions): NewestFrames {
  const lanes = frameLanes();
  const line = waitingLine();
  let tick: Subscription | undefined;

  const readOne = (lane: Lane, frame: Buffer, now: number, spend = time.spend, cameAt = now): number => {
    line.leave(lane);
    const { spaceMs, spreadMs } = time.pace(now);
    lane.readAt = now;
    lane.nextAt = now + spaceMs + spreadMs * (random() - 0.5);
    return spend(() => {
      told(cameAt < now ? waited(read(frame), cameAt) : read(frame), lane.promptId);
    });
  };
  const readWaiting = (lane: Lane | undefined): number =>
    lane?.waiting === undefined ? 0 : readOne(lane, bytesOf(lane, lane.waiting), clock.now(), time.spend, lane.cameAt);
  const flush = (): void => line.lanes().forEach(readWaiting);

  const told = inOrder(lanes, tell, readWaiting, flush);

  const readDue = (): void => {
    const now = clock.now();
    let spentMs = 0;
    for (const lane of line.lanes()) {
      if (spentMs >= TURN_MS || !time.allows(now)) break;
      if (lane.dueAt <= now) spentMs += readWaiting(lane);
    }
    tick = line.isEmpty() ? undefined : clock.schedule(readDue, spentMs < TURN_MS ? TICK_MS : 0);
  };

  return {
    take: (bytes, start, end) => {
      const type = overtakable(bytes, start, end);
      const now = clock.now();
      const lane = type === undefined ? undefined : lanes.of(bytes, type, start, end, now);
      if (lane === undefined) {
        told(read(bytes.subarray(start, end)));
        return;
      }
      if (type === 'progress_state') lane.stateAt = now;
      else if (now - lane.stateAt < SAID_MS) return;
      else if (!isOfWaitingNode(lane, bytes, start, end)) readWaiting(lane);
      const hasRoom = line.hasRoom(lane, end - start);
      if (!hasRoom || (now >= lane.nextAt && time.allows(now))) {
        readOne(lane, bytes.subarray(start, end), now, hasRoom ? time.spend : unspent);
        return;
      }
      lane.dueAt = Math.max(lane.nextAt, now + time.pace(now).waitMs);
      line.wait(lane, bytes, start, end, now);
      tick ??= clock.schedule(readDue, TICK_MS);
    },
    settle: line.settle,
    flush,
    close: () => {
      tick?.unsubscribe();
      line.clear();
      lanes.clear();
    },
  };
}

/** A step was made when its frame came, not when that was read. */
const waited = (events: readonly BoardEvent[], cameAt: number): readonly BoardEvent[] =>
  events.map((event) => (event.tag === 'stepped' || event.tag === 'snapshot' ? { ...event, cameAt } : event));

const bytesOf = ({ start, end }: Lane, waiting: Buffer): Buffer => waiting.subarray(start, end);

/** A server that fills its room does not use up the time of the others: its own connection waits while it is read. */
const unspent = (reading: () => void): number => {
  reading();
  return 0;
};

/** What was read is told after what waits of the same job; after all that waits, where any job may be meant. `reading` is the lane that is read. */
const inOrder =
  (
    lanes: Lanes,
    tell: NewestFramesOptions['tell'],
    readWaiting: (lane: Lane | undefined) => unknown,
    flush: () => void,
  ) =>
  (events: readonly BoardEvent[], reading?: string): void => {
    for (const event of events) {
      if (event.tag === 'resumed' || event.tag === 'garbled') flush();
      const promptId = event.tag !== 'previewed' && 'promptId' in event ? event.promptId : undefined;
      if (promptId !== undefined && promptId !== reading) readWaiting(lanes.get(promptId));
    }
    tell(events);
    for (const event of events) if (event.tag === 'succeeded' || event.tag === 'broke') lanes.forget(event.promptId);
  };

/** The lanes in which a frame waits, the longest first. */
function waitingLine() {
  const line = new Set<Lane>();
  const lent: Lane[] = [];
  const spare = spareBytes();
  let heldBytes = 0;
  return {
    lanes: (): readonly Lane[] => [...line],
    isEmpty: () => line.size === 0,
    hasRoom: (lane: Lane, bytes: number): boolean =>
      heldBytes + Math.max(0, bytes - lane.heldBytes) <= bounds.waitingFramesBytes,
    wait: (lane: Lane, bytes: Buffer, start: number, end: number, now: number): void => {
      if (lane.waiting === undefined) line.add(lane);
      const longest = Math.max(lane.heldBytes, end - start);
      heldBytes += longest - lane.heldBytes;
      lane.heldBytes = longest;
      lane.waiting = bytes;
      lane.cameAt = now;
      lane.start = start;
      lane.end = end;
      if (lane.isLent) return;
      lane.isLent = true;
      lent.push(lane);
    },
    leave: (lane: Lane): void => {
      if (lane.waiting === undefined) return;
      lane.waiting = undefined;
      line.delete(lane);
      heldBytes -= lane.heldBytes;
      lane.heldBytes = 0;
      spare.give(lane.copy);
      lane.copy = undefined;
    },
    /** Only the last of those that came together is copied. */
    settle: (): void => {
      for (const lane of lent) {
        lane.isLent = false;
        if (lane.waiting === undefined) continue;
        const length = lane.end - lane.start;
        if (lane.copy === undefined || lane.copy.length < length) lane.copy = spare.take(length);
        lane.waiting.copy(lane.copy, 0, lane.start, lane.end);
        lane.waiting = lane.copy;
        lane.start = 0;
        lane.end = length;
      }
      lent.length = 0;
    },
    clear: (): void => {
      for (const lane of line) lane.waiting = undefined;
      line.clear();
      lent.length = 0;
    },
  };
}

/** Bytes for the frames that wait, of whichever job: to make them anew costs more than to copy a frame. */
function spareBytes() {
  const spare: Buffer[] = [];
  return {
    take: (length: number): Buffer =>
      // Frames of a job grow by some bytes while a node counts.
      (length <= SPARE_BYTES ? spare.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(SPARE_BYTES, length + ROOM_BYTES)),
    give: (bytes: Buffer | undefined): void => {
      if (bytes?.length === SPARE_BYTES && spare.length < MOST_SPARE) spare.push(bytes);
    },
  };
}

/** A step of another node does not overtake the one that waits. After the job's id, a `progress` names its node. */
function isOfWaitingNode({ waiting, start: from, end: to }: Lane, bytes: Buffer, start: number, end: number): boolean {
  if (waiting === undefined) return true;
  const [node, before] = [nodeStart(bytes, start, end), nodeStart(waiting, from, to)];
  return node !== -1 && before !== -1 && bytes.compare(waiting, before, to, node, end) === 0;
}

function nodeStart(bytes: Buffer, start: number, end: number): number {
  const id = promptIdStart(bytes, 'progress', start, end);
  return id === -1 ? -1 : promptIdEnd(bytes, id, end);
}
