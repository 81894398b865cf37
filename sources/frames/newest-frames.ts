import type { SchedulerLike, Subscription } from 'rxjs';
import type { BoardEvent } from '../../streams/board/board';
import { overtakable, promptIdEnd, promptIdStart } from './frame-head';
import { frameLanes, type Lane, type Lanes } from './lanes';
import type { Pace, ReadingTime } from './reading-time';
import { waitingLine, type WaitingLine } from './waiting-line';

/**
 * Reads the text frames of one socket. A `progress_state` says all that those before it said, so only the newest of a
 * job is read, when its turn comes, and a `progress` beside it not at all. The first of a burst is read at once. So is
 * every other frame, but after the one of its job that waits.
 */
export interface NewestFrames {
  /** Takes a frame: the bytes from `start` to `end`, which must not change until `settle`. */
  readonly take: (bytes: Buffer, start: number, end: number) => void;
  /**
   * Call before these bytes are written over. Returns the ones to write to: others, if frames go on waiting in these.
   */
  readonly settle: (bytes: Buffer) => Buffer;
  /** Takes a frame that has a buffer of its own. */
  readonly takeAlone: (frame: Buffer) => void;
  /** Reads all waiting frames: no more will come. */
  readonly flush: () => void;
  readonly close: () => void;
}

export interface NewestFramesOptions {
  /** Decodes a frame. */
  readonly read: (frame: Buffer) => readonly BoardEvent[];
  /** Takes the events of the frames that were read. */
  readonly tell: (events: readonly BoardEvent[]) => void;
  readonly clock: SchedulerLike;
  readonly time: ReadingTime;
  /** For jitter: 0–1. */
  readonly random?: () => number;
}

/**
 * How long after a job's `progress_state` its `progress` is not read, ms: a server that sends the one for a step sends
 * it for each.
 */
const SAID_MS = 1_000;
/** How often waiting frames are checked, ms. */
const TICK_MS = 20;
/** How long waiting frames are read in one turn of the event loop, ms; the rest is read in the next. */
const TURN_MS = 5;

export function newestFrames(options: NewestFramesOptions): NewestFrames {
  const { read, clock, time } = options;
  const lanes = frameLanes();
  const line = waitingLine();
  const held = heldClock(clock, time);
  const { readOne, readWaiting, readDue, flush, told } = reader(options, lanes, line, held);
  let tick: Subscription | undefined;

  const onTick = (): void => {
    held.letGo();
    const hasTime = readDue(held.now());
    // If none was due, the next frame would be told to have come at this tick.
    held.letGo();
    tick = line.isEmpty() ? undefined : clock.schedule(onTick, hasTime ? TICK_MS : 0);
  };
  /** Returns the lane in which the frame waits, if it does. */
  const take = (bytes: Buffer, start: number, end: number): Lane | undefined => {
    const type = overtakable(bytes, start, end);
    const now = held.now();
    const lane = type === undefined ? undefined : lanes.of(bytes, type, start, end, now);
    if (lane === undefined) {
      told(read(bytes.subarray(start, end)));
      held.letGo();
      return undefined;
    }
    if (type === 'progress_state') lane.stateAt = now;
    else if (now - lane.stateAt < SAID_MS) return undefined;
    else if (!isOfWaitingNode(lane, bytes, start, end)) readWaiting(lane);
    const hasRoom = line.hasRoom(lane, end - start);
    if (!hasRoom || (now >= lane.nextAt && held.mayRead())) {
      readOne(lane, bytes.subarray(start, end), now, hasRoom ? time.spend : unspent);
      return undefined;
    }
    lane.dueAt = Math.max(lane.nextAt, now + held.pace().waitMs);
    line.wait(lane, bytes, start, end, now);
    tick ??= clock.schedule(onTick, TICK_MS);
    return lane;
  };

  return {
    take,
    settle: (bytes) => {
      held.letGo();
      return line.settle(bytes);
    },
    takeAlone: (frame) => {
      held.letGo();
      const lane = take(frame, 0, frame.length);
      if (lane !== undefined) line.copy(lane);
      held.letGo();
    },
    flush,
    close: () => {
      tick?.unsubscribe();
      line.clear();
      lanes.clear();
    },
  };
}

/**
 * A clock of whole ms since the start, the pace of its time, and whether there is time to read, asked once for all
 * unread frames that come together: asked for each, they took a tenth of their time, and left numbers behind that were
 * two fifths of all garbage. `letGo` has them asked again. It goes on if the machine's clock is set back: frames would
 * wait until that is where it was. `wallOf` gives ms since 1970.
 */
function heldClock(clock: SchedulerLike, time: ReadingTime) {
  let startedAt = clock.now();
  let last = 0;
  let asked: { readonly now: number; readonly pace: Pace; readonly mayRead: boolean } | undefined;
  const ask = () => {
    const wall = clock.now();
    if (wall < startedAt + last) startedAt = wall - last;
    last = Math.floor(wall - startedAt);
    const held = startedAt + last;
    return { now: last, pace: time.pace(held), mayRead: time.allows(held) };
  };
  const held = () => (asked ??= ask());
  return {
    now: (): number => held().now,
    pace: (): Pace => held().pace,
    mayRead: (): boolean => held().mayRead,
    wallOf: (time: number): number => startedAt + time,
    letGo: (): void => {
      asked = undefined;
    },
  };
}

/** Reads frames: those that just came, and those that waited. */
function reader(
  { read, tell, time, random = Math.random }: NewestFramesOptions,
  lanes: Lanes,
  line: WaitingLine,
  held: ReturnType<typeof heldClock>,
) {
  const readOne = (lane: Lane, frame: Buffer, now: number, spend = time.spend, cameAt = now): number => {
    line.leave(lane);
    const { spaceMs, spreadMs } = held.pace();
    lane.readAt = now;
    lane.nextAt = now + Math.round(spaceMs + spreadMs * (random() - 0.5));
    const tookMs = spend(() => {
      held.letGo();
      told(cameAt < now ? waited(read(frame), held.wallOf(cameAt)) : read(frame), lane.promptId);
    });
    held.letGo();
    return tookMs;
  };
  const readWaiting = (lane: Lane | undefined): number =>
    lane?.waiting === undefined ? 0 : readOne(lane, bytesOf(lane, lane.waiting), held.now(), time.spend, lane.cameAt);
  const flush = (): void => {
    held.letGo();
    line.lanes().forEach(readWaiting);
  };
  const told = inOrder(lanes, tell, readWaiting, flush);
  return {
    readOne,
    readWaiting,
    flush,
    told,
    /** Reads the waiting frames that are due; `false` if `TURN_MS` were over before all were. */
    readDue: (now: number): boolean => {
      let spentMs = 0;
      for (const lane of line.lanes()) {
        if (spentMs >= TURN_MS || !held.mayRead()) break;
        if (lane.dueAt <= now) spentMs += readWaiting(lane);
      }
      return spentMs < TURN_MS;
    },
  };
}

/** Adds when the frame came: that is when the step was made, not when the frame was read. */
const waited = (events: readonly BoardEvent[], cameAt: number): readonly BoardEvent[] =>
  events.map((event) => (event.tag === 'stepped' || event.tag === 'snapshot' ? { ...event, cameAt } : event));

const bytesOf = ({ start, end }: Lane, waiting: Buffer): Buffer => waiting.subarray(start, end);

/**
 * Reads, and does not count the time: a server whose frames have no room left must not use up the time of the others.
 * Its own connection waits meanwhile.
 */
const unspent = (reading: () => void): number => {
  reading();
  return 0;
};

/**
 * Passes events on, but first reads the waiting frame of the same job, or all waiting frames where any job may be
 * meant. `reading` is the job whose lane is being read.
 */
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

/**
 * Whether a `progress` is of the same node as the frame that waits: a step of another node does not overtake it. The
 * node comes after the job's id.
 */
function isOfWaitingNode({ waiting, start: from, end: to }: Lane, bytes: Buffer, start: number, end: number): boolean {
  if (waiting === undefined) return true;
  const [node, before] = [nodeStart(bytes, start, end), nodeStart(waiting, from, to)];
  return node !== -1 && before !== -1 && bytes.compare(waiting, before, to, node, end) === 0;
}

function nodeStart(bytes: Buffer, start: number, end: number): number {
  const id = promptIdStart(bytes, 'progress', start, end);
  return id === -1 ? -1 : promptIdEnd(bytes, id, end);
}
