import type { SchedulerLike, Subscription } from 'rxjs';
import type { BoardEvent } from '../../streams/board/board';
import { overtakable, promptIdEnd, promptIdStart } from './frame-head';
import { frameLanes, type Lane, type Lanes } from './lanes';
import type { ReadingTime } from './reading-time';
import { waitingLine, type WaitingLine } from './waiting-line';

/**
 * The text frames of one socket, in the order in which they are read. A `progress_state` says all that those before it
 * said, so only the newest of a job is read, when its turn comes, and a `progress` beside it not at all. The first of a
 * burst is read at once, and so is every other frame, after what waits of its job.
 */
export interface NewestFrames {
  /** A frame came: from `start` to `end` of these bytes, which are not to change until `settle`. */
  readonly take: (bytes: Buffer, start: number, end: number) => void;
  /** The bytes that all was taken from are about to be written over: tells which others are to be, if what waits stays in those. */
  readonly settle: (bytes: Buffer) => Buffer;
  /** A frame came by itself, whose bytes are its own. */
  readonly takeAlone: (frame: Buffer) => void;
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

export function newestFrames(options: NewestFramesOptions): NewestFrames {
  const { read, clock, time } = options;
  const lanes = frameLanes();
  const line = waitingLine();
  const held = heldClock(clock);
  const { readOne, readWaiting, readDue, flush, told } = reader(options, lanes, line, held);
  let tick: Subscription | undefined;

  const onTick = (): void => {
    held.letGo();
    const hasTime = readDue(held.now());
    tick = line.isEmpty() ? undefined : clock.schedule(onTick, hasTime ? TICK_MS : 0);
  };
  const take = (bytes: Buffer, start: number, end: number): void => {
    const type = overtakable(bytes, start, end);
    const now = held.now();
    const lane = type === undefined ? undefined : lanes.of(bytes, type, start, end, now);
    if (lane === undefined) {
      told(read(bytes.subarray(start, end)));
      held.letGo();
      return;
    }
    if (type === 'progress_state') lane.stateAt = now;
    else if (now - lane.stateAt < SAID_MS) return;
    else if (!isOfWaitingNode(lane, bytes, start, end)) readWaiting(lane);
    const hasRoom = line.hasRoom(lane, end - start);
    if (!hasRoom || (now >= lane.nextAt && time.allows(held.startedAt + now))) {
      readOne(lane, bytes.subarray(start, end), now, hasRoom ? time.spend : unspent);
      return;
    }
    lane.dueAt = Math.max(lane.nextAt, now + time.pace(held.startedAt + now).waitMs);
    line.wait(lane, bytes, start, end, now);
    tick ??= clock.schedule(onTick, TICK_MS);
  };

  return {
    take,
    settle: (bytes) => {
      held.letGo();
      return line.settle(bytes);
    },
    takeAlone: (frame) => {
      held.letGo();
      take(frame, 0, frame.length);
      held.letGo();
    },
    flush: () => {
      held.letGo();
      flush();
    },
    close: () => {
      tick?.unsubscribe();
      line.clear();
      lanes.clear();
    },
  };
}

/** Whole ms since the start. Asked once for all frames that come together and are not read: for each, it would take a tenth of their time. */
function heldClock(clock: SchedulerLike) {
  const startedAt = clock.now();
  let asked: number | undefined;
  return {
    startedAt,
    now: (): number => (asked ??= Math.round(clock.now() - startedAt)),
    letGo: (): void => {
      asked = undefined;
    },
  };
}

/** Reads frames, those that waited too. */
function reader(
  { read, tell, time, random = Math.random }: NewestFramesOptions,
  lanes: Lanes,
  line: WaitingLine,
  held: ReturnType<typeof heldClock>,
) {
  const { startedAt } = held;
  const readOne = (lane: Lane, frame: Buffer, now: number, spend = time.spend, cameAt = now): number => {
    line.leave(lane);
    const { spaceMs, spreadMs } = time.pace(startedAt + now);
    lane.readAt = now;
    lane.nextAt = now + Math.round(spaceMs + spreadMs * (random() - 0.5));
    const tookMs = spend(() => {
      held.letGo();
      told(cameAt < now ? waited(read(frame), startedAt + cameAt) : read(frame), lane.promptId);
    });
    held.letGo();
    return tookMs;
  };
  const readWaiting = (lane: Lane | undefined): number =>
    lane?.waiting === undefined ? 0 : readOne(lane, bytesOf(lane, lane.waiting), held.now(), time.spend, lane.cameAt);
  const flush = (): void => line.lanes().forEach(readWaiting);
  const told = inOrder(lanes, tell, readWaiting, flush);
  return {
    ...{ readOne, readWaiting, flush, told },
    /** Reads what is due, and tells whether it was done in time. */
    readDue: (now: number): boolean => {
      let spentMs = 0;
      for (const lane of line.lanes()) {
        if (spentMs >= TURN_MS || !time.allows(startedAt + now)) break;
        if (lane.dueAt <= now) spentMs += readWaiting(lane);
      }
      return spentMs < TURN_MS;
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
