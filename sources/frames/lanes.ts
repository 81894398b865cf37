import { bounds } from '../../streams/bounds';
import { promptIdEnd, promptIdStart, type Overtakable } from './frame-head';

/**
 * One job's frames. Changed in place: a frame that is not read is to cost next to nothing. Its times are whole ms since the
 * socket's start: those since 1970 are no small integers, and V8 keeps each of them in an object of its own.
 */
export interface Lane {
  readonly promptId: string;
  /** Where the id's bytes stand among those of all lanes; -1 where it is none of the usual length. */
  readonly idAt: number;
  /** When one of its frames was last read, from when on another may be, and when its last `progress_state` came. */
  readAt: number;
  nextAt: number;
  stateAt: number;
  /** The frame that waits: from `start` to `end` of these bytes, which are the socket's own as long as it is `lent`. */
  waiting: Buffer | undefined;
  start: number;
  end: number;
  isLent: boolean;
  /** The bytes that it was copied to; a longer one that takes its place may need others. */
  copy: Buffer | undefined;
  /** The read that it waits in, where that is kept as it is. */
  page: Page | undefined;
  /** Bytes of the longest frame that waited since one was read: so many are held for it. */
  heldBytes: number;
  /** When what waits came, and when it is to be read. */
  cameAt: number;
  dueAt: number;
}

/** The bytes of a read, and in how many lanes a frame waits in them. */
export interface Page {
  readonly bytes: Buffer;
  lanes: number;
}

/** The lanes of a socket's jobs. */
export interface Lanes {
  readonly get: (promptId: string) => Lane | undefined;
  /** The lane of the job that a frame names; `undefined` where the frame has to be read whole to tell. */
  readonly of: (bytes: Buffer, type: Overtakable, start: number, end: number, now: number) => Lane | undefined;
  readonly forget: (promptId: string) => void;
  readonly clear: () => void;
}

/** A job of which nothing came for so long is forgotten. */
const IDLE_MS = 10_000;

/** Characters of most ids: ComfyUI's are UUIDs. */
const UUID = 36;
const QUOTE = 0x22;
/** Long before the socket's start. */
const NEVER = -1e9;

export function frameLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  /** The lane that an id with this digest was found in last: no string is made of it again, and none is hashed. */
  const found = new Map<number, Lane>();
  const ids = idBytes();
  let sweptAt = NEVER;

  const remove = (lane: Lane): void => {
    lanes.delete(lane.promptId);
    if (lane.idAt === -1) return;
    const digest = ids.digest(lane.idAt);
    if (found.get(digest) === lane) found.delete(digest);
    ids.free(lane.idAt);
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
      const digest = isUuid ? digestOf(bytes, id + UUID) : 0;
      const before = isUuid ? found.get(digest) : undefined;
      if (before !== undefined && ids.isAt(before.idAt, bytes, id)) return before;
      const idEnd = promptIdEnd(bytes, id, end);
      if (idEnd === -1) return undefined;
      const promptId = bytes.toString('latin1', id, idEnd);
      const lane = lanes.get(promptId) ?? opened(promptId, now);
      if (lane !== undefined && lane.idAt !== -1) found.set(digest, lane);
      return lane;
    },
    forget: (promptId) => {
      const lane = lanes.get(promptId);
      if (lane !== undefined) remove(lane);
    },
    clear: () => {
      lanes.clear();
      found.clear();
      ids.clear();
    },
  };
}

/** All its fields in one literal: put together from parts, V8 would keep it in a hash table of 800 bytes. */
const newLane = (promptId: string, idAt: number): Lane => ({
  promptId,
  idAt,
  readAt: NEVER,
  nextAt: NEVER,
  stateAt: NEVER,
  waiting: undefined,
  start: 0,
  end: 0,
  isLent: false,
  copy: undefined,
  page: undefined,
  heldBytes: 0,
  cameAt: 0,
  dueAt: 0,
});

/** Of the last characters before `end`, by which ids differ. */
function digestOf(bytes: Uint8Array, end: number): number {
  let digest = 0;
  for (let at = end - 12; at < end; at += 1) digest = (Math.imul(digest, 31) + (bytes[at] ?? 0)) | 0;
  return digest;
}

/** The bytes of many ids, one behind the other. Compared with a string, whose letters V8 looks up one by one, they took a quarter of all that an unread frame cost. */
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
