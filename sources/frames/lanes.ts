import { bounds } from '../../streams/bounds';
import { promptIdEnd, promptIdStart, type Overtakable } from './frame-head';

/**
 * The frames of one job. Changed in place, as a frame that is not read is to cost next to nothing. Times are whole ms
 * since the socket's start: ms since 1970 are no small integers, and V8 keeps each in an object of its own.
 */
export interface Lane {
  readonly promptId: string;
  /** Where the id's bytes begin in `idBytes`; -1 if the id has not the usual length, or the lane was removed. */
  idAt: number;
  /** The lane of the frame that came after the last of this one. */
  follower: Lane | undefined;
  /** When one of its frames was last read. */
  readAt: number;
  /** From when on the next may be read. */
  nextAt: number;
  /** When its last `progress_state` came. */
  stateAt: number;
  /** The bytes in which a frame waits, from `start` to `end`. */
  waiting: Buffer | undefined;
  start: number;
  end: number;
  /** The read in which the frame waits; `undefined` if it was copied. */
  page: Page | undefined;
  /** The last read in which a frame waited, by its number, and the lane in which one had waited there before. */
  read: number;
  before: Lane | undefined;
  /** The buffer to which waiting frames are copied; a longer frame may need another. */
  copy: Buffer | undefined;
  /** Bytes of the longest frame that waited since one was read: as many count as held for this lane. */
  heldBytes: number;
  /** When the waiting frame came. */
  cameAt: number;
  /** When it is to be read. */
  dueAt: number;
}

/** A read, the number of lanes whose frame waits in it, and the bytes of those frames. */
export interface Page {
  /** Set once the read is kept as it is. */
  bytes: Buffer | undefined;
  lanes: number;
  waitingBytes: number;
}

/** The lanes of a socket's jobs. */
export interface Lanes {
  readonly get: (promptId: string) => Lane | undefined;
  /**
   * The lane of the job that a frame names; `undefined` if the frame has to be parsed to tell, or if there are too many
   * lanes.
   */
  readonly of: (bytes: Buffer, type: Overtakable, start: number, end: number, now: number) => Lane | undefined;
  readonly forget: (promptId: string) => void;
  readonly clear: () => void;
}

/** How long after its last read a lane in which no frame waits is removed, ms. */
const IDLE_MS = 10_000;

/** Characters of most ids: ComfyUI's are UUIDs. */
const UUID = 36;
const QUOTE = 0x22;
/** Long before the socket's start. */
const NEVER = -1e9;

export function frameLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  /** The last lane found by an id's digest: the id need not become a string and be hashed for each frame. */
  const found = new Map<number, Lane>();
  const ids = idBytes();
  const order = orderOfFrames();
  let sweptAt = NEVER;

  const remove = (lane: Lane): void => {
    lanes.delete(lane.promptId);
    if (lane.idAt === -1) return;
    const digest = ids.digest(lane.idAt);
    if (found.get(digest) === lane) found.delete(digest);
    ids.free(lane.idAt);
    lane.idAt = -1;
    lane.follower = undefined;
  };
  const opened = (promptId: string, now: number): Lane | undefined => {
    if (now - sweptAt > IDLE_MS) {
      sweptAt = now;
      for (const lane of lanes.values()) if (lane.waiting === undefined && now - lane.readAt > IDLE_MS) remove(lane);
    }
    if (lanes.size >= bounds.frameLanes) return undefined;
    const lane = newLane(promptId, promptId.length === UUID ? ids.keep(promptId) : -1);
    lanes.set(promptId, lane);
    return lane;
  };

  return {
    get: (promptId) => lanes.get(promptId),
    of: (bytes, type, start, end, now) => {
      const id = promptIdStart(bytes, type, start, end);
      if (id === -1) return undefined;
      const isUuid = bytes[id + UUID] === QUOTE;
      const expected = order.expected();
      if (isUuid && expected !== undefined && ids.isAt(expected.idAt, bytes, id)) return order.came(expected);
      const digest = isUuid ? digestOf(bytes, id + UUID) : 0;
      const before = isUuid ? found.get(digest) : undefined;
      if (before !== undefined && ids.isAt(before.idAt, bytes, id)) return order.came(before);
      const idEnd = promptIdEnd(bytes, id, end);
      if (idEnd === -1) return undefined;
      const promptId = bytes.toString('latin1', id, idEnd);
      const lane = lanes.get(promptId) ?? opened(promptId, now);
      if (lane === undefined || lane.idAt === -1) return lane;
      found.set(digest, lane);
      return order.came(lane);
    },
    forget: (promptId) => {
      const lane = lanes.get(promptId);
      if (lane !== undefined) remove(lane);
    },
    clear: () => {
      lanes.clear();
      found.clear();
      ids.clear();
      order.clear();
    },
  };
}

/** One literal with all fields: put together from parts, V8 would keep a lane in a hash table of 800 bytes. */
const newLane = (promptId: string, idAt: number): Lane => ({
  promptId,
  idAt,
  follower: undefined,
  readAt: NEVER,
  nextAt: NEVER,
  stateAt: NEVER,
  waiting: undefined,
  start: 0,
  end: 0,
  page: undefined,
  read: -1,
  before: undefined,
  copy: undefined,
  heldBytes: 0,
  cameAt: 0,
  dueAt: 0,
});

/**
 * Which lane is next. The frames of one job follow each other, and those of a thousand that report at one rate come in
 * one order: mostly the next lane is the one of the last time. To find it by its digest took a third of all that an
 * unread frame cost more with ten thousand jobs than with one.
 */
function orderOfFrames() {
  let last: Lane | undefined;
  return {
    expected: (): Lane | undefined => last?.follower,
    came: (lane: Lane): Lane => {
      if (last !== undefined && last.follower !== lane) last.follower = lane;
      last = lane;
      return lane;
    },
    clear: (): void => {
      last = undefined;
    },
  };
}

/** A digest of the 12 bytes before `end`, in which UUIDs differ. */
function digestOf(bytes: Uint8Array, end: number): number {
  let digest = 0;
  for (let at = end - 12; at < end; at += 1) digest = (Math.imul(digest, 31) + (bytes[at] ?? 0)) | 0;
  return digest;
}

/**
 * The bytes of many ids, one behind the other. To compare a frame's bytes with a string, whose letters V8 looks up one
 * by one, took a quarter of all that an unread frame cost.
 */
function idBytes() {
  let bytes = new Uint8Array(UUID);
  let end = 0;
  const freed: number[] = [];
  return {
    keep: (id: string): number => {
      const at = freed.pop() ?? end;
      if (at + UUID > bytes.length) {
        const more = new Uint8Array(2 * bytes.length);
        more.set(bytes);
        bytes = more;
      }
      end = Math.max(end, at + UUID);
      for (let n = 0; n < UUID; n += 1) bytes[at + n] = id.charCodeAt(n);
      return at;
    },
    isAt: (at: number, frame: Uint8Array, start: number): boolean => {
      for (let n = 0; n < UUID; n += 1) if (frame[start + n] !== bytes[at + n]) return false;
      return true;
    },
    digest: (at: number): number => digestOf(bytes, at + UUID),
    free: (at: number): void => void freed.push(at),
    clear: (): void => {
      end = 0;
      freed.length = 0;
    },
  };
}
