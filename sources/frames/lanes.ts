import { bounds } from '../../streams/bounds';
import { isAt, promptIdEnd, promptIdStart, type Overtakable } from './frame-head';

/** One job's frames. Changed in place: a frame that is not read is to cost next to nothing. */
export interface Lane {
  readonly promptId: string;
  /** The id with the quote after it, as it stands in a frame. */
  readonly idBytes: Uint8Array;
  /** When one of its frames was last read, and when its last `progress_state` came. */
  readAt: number;
  stateAt: number;
  /** The frame that waits: from `start` to `end` of these bytes, which are the socket's own as long as it is `lent`. */
  waiting: Buffer | undefined;
  start: number;
  end: number;
  isLent: boolean;
  /** When what waits is to be read. */
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

export function frameLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  let last: Lane | undefined;
  let sweptAt = Number.NEGATIVE_INFINITY;

  const opened = (promptId: string, now: number): Lane | undefined => {
    if (now - sweptAt > IDLE_MS) {
      sweptAt = now;
      for (const [id, lane] of lanes) if (lane.waiting === undefined && now - lane.readAt > IDLE_MS) lanes.delete(id);
    }
    if (lanes.size >= bounds.frameLanes) return undefined;
    const idBytes = Uint8Array.from(Buffer.from(`${promptId}"`));
    const lane: Lane = {
      ...{ promptId, idBytes, readAt: Number.NEGATIVE_INFINITY, stateAt: Number.NEGATIVE_INFINITY },
      ...{ waiting: undefined, start: 0, end: 0, isLent: false, dueAt: 0 },
    };
    lanes.set(promptId, lane);
    return lane;
  };

  return {
    get: (promptId) => lanes.get(promptId),
    of: (bytes, type, start, end, now) => {
      const id = promptIdStart(bytes, type, start, end);
      if (id === -1) return undefined;
      // Most frames are of the job that the one before was of: no string is made of its id again.
      if (last !== undefined && isAt(bytes, id, last.idBytes)) return last;
      const idEnd = promptIdEnd(bytes, id, end);
      if (idEnd === -1) return undefined;
      const promptId = bytes.toString('latin1', id, idEnd);
      last = lanes.get(promptId) ?? opened(promptId, now);
      return last;
    },
    forget: (promptId) => {
      lanes.delete(promptId);
      if (last?.promptId === promptId) last = undefined;
    },
    clear: () => {
      lanes.clear();
      last = undefined;
    },
  };
}
