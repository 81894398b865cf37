import { bounds } from '../../streams/bounds';
import { isIdAt, promptIdEnd, promptIdStart, type Overtakable } from './frame-head';

/** One job's frames. Changed in place: a frame that is not read is to cost next to nothing. */
export interface Lane {
  readonly promptId: string;
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
  /** Bytes of the longest frame that waited since one was read: so many are held for it. */
  heldBytes: number;
  /** When what waits came, and when it is to be read. */
  cameAt: number;
  dueAt: number;
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

export function frameLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  /** The lane that an id with this digest was found in last: no string is made of it again, and none is hashed. */
  const found = new Map<number, Lane>();
  let sweptAt = Number.NEGATIVE_INFINITY;

  const remove = (lane: Lane): void => {
    const { promptId } = lane;
    lanes.delete(promptId);
    const digest = promptId.length === UUID ? digestOf(Buffer.from(promptId, 'latin1'), UUID) : 0;
    if (found.get(digest) === lane) found.delete(digest);
  };
  const opened = (promptId: string, now: number): Lane | undefined => {
    if (now - sweptAt > IDLE_MS) {
      sweptAt = now;
      for (const lane of lanes.values()) if (lane.waiting === undefined && now - lane.readAt > IDLE_MS) remove(lane);
    }
    if (lanes.size >= bounds.frameLanes) return undefined;
    const lane = newLane(promptId);
    lanes.set(promptId, lane);
    return lane;
  };

  return {
    get: (promptId) => lanes.get(promptId),
    of: (bytes, type, start, end, now) => {
      const id = promptIdStart(bytes, type, start, end);
      if (id === -1) return undefined;
      const digest = bytes[id + UUID] === QUOTE ? digestOf(bytes, id + UUID) : 0;
      const before = found.get(digest);
      if (before !== undefined && isIdAt(bytes, id, before.promptId)) return before;
      const idEnd = promptIdEnd(bytes, id, end);
      if (idEnd === -1) return undefined;
      const promptId = bytes.toString('latin1', id, idEnd);
      const lane = lanes.get(promptId) ?? opened(promptId, now);
      if (lane !== undefined && (found.size < bounds.frameLanes || found.has(digest))) found.set(digest, lane);
      return lane;
    },
    forget: (promptId) => {
      const lane = lanes.get(promptId);
      if (lane !== undefined) remove(lane);
    },
    clear: () => {
      lanes.clear();
      found.clear();
    },
  };
}

/** All its fields in one literal: put together from parts, V8 would keep it in a hash table of 800 bytes. */
const newLane = (promptId: string): Lane => ({
  promptId,
  readAt: Number.NEGATIVE_INFINITY,
  nextAt: Number.NEGATIVE_INFINITY,
  stateAt: Number.NEGATIVE_INFINITY,
  waiting: undefined,
  start: 0,
  end: 0,
  isLent: false,
  copy: undefined,
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
