/**
 * Splits what a WebSocket server sends. Whole text frames that a newer one may overtake go to `take`; all other bytes
 * go on to `ws`, in order. Frames for `take` get no buffer of their own: while each read had one, V8 collected its
 * whole heap after every 64 MB, which took a third of the time.
 */
export interface FrameSplitter {
  /** Where to put the next bytes. */
  readonly space: () => Buffer;
  /** Call when this many bytes were put there. */
  readonly put: (bytes: number) => void;
}

export interface FrameSplitterOptions {
  /** A longer frame goes on to `ws`. */
  readonly mostBytes: number;
  /** Whether the payload that begins here may be overtaken; `undefined` if too little of it is there to tell. */
  readonly isOvertakable: (bytes: Buffer, start: number, end: number) => boolean | undefined;
  /** Takes the payload of such a frame. Its bytes stay as they are until `settle`. */
  readonly take: (bytes: Buffer, start: number, end: number) => void;
  /**
   * Called before the buffer is written over. Returns the one to write to: this, or another as long, if frames wait in
   * this.
   */
  readonly settle: (bytes: Buffer) => Buffer;
  /** Takes all bytes that are for `ws`. */
  readonly pass: (bytes: Buffer) => void;
}

const FIN = 0x80;
const TEXT = 0x1;
const MASK = 0x80;
const SWITCHING = Buffer.from('HTTP/1.1 101');
const END_OF_ANSWER = Buffer.from('\r\n\r\n');

export function frameSplitter(options: FrameSplitterOptions): FrameSplitter {
  const { mostBytes, settle, pass } = options;
  let buffer: Buffer = Buffer.allocUnsafeSlow(mostBytes);
  const split = splitting(options);
  let phase: 'answer' | 'frames' | 'other' = 'answer';
  /** Bytes at the start of the buffer of which the rest is still to come. */
  let held = 0;

  /** Where the frames begin: after the answer to the handshake. After any other answer, all bytes go on to `ws`. */
  const answered = (end: number): number => {
    const length = Math.min(end, SWITCHING.length);
    if (buffer.compare(SWITCHING, 0, length, 0, length) !== 0) phase = 'other';
    const at = buffer.subarray(0, end).indexOf(END_OF_ANSWER);
    if (at !== -1 && phase === 'answer') phase = 'frames';
    if (at === -1 && end === mostBytes) phase = 'other';
    return at + END_OF_ANSWER.length;
  };

  return {
    space: () => buffer.subarray(held),
    put: (bytes) => {
      const end = held + bytes;
      held = 0;
      const isAnswer = phase === 'answer';
      const start = isAnswer ? answered(end) : 0;
      switch (phase) {
        case 'answer':
          held = end;
          return;
        case 'other':
          pass(Buffer.from(buffer.subarray(0, end)));
          return;
        case 'frames': {
          if (isAnswer) pass(Buffer.from(buffer.subarray(0, start)));
          const at = split(buffer, start, end);
          const read = buffer;
          buffer = settle(read);
          if (at < end) read.copy(buffer, 0, at, end);
          held = end - at;
        }
      }
    },
  };
}

/**
 * Goes through the frames from `start` to `end`. Returns where the first incomplete one begins, to be held until more
 * is there.
 */
function splitting({ mostBytes, isOvertakable, take, pass }: FrameSplitterOptions) {
  /** Bytes still to come of a frame that goes on to `ws`. */
  let passing = 0;
  /** Whether a fragmented message is under way: no other one comes in between. */
  let isFragmented = false;

  const mayBeTaken = (buffer: Buffer, at: number, head: number, total: number, end: number): boolean | undefined => {
    const isWholeText = buffer[at] === (FIN | TEXT) && ((buffer[at + 1] ?? 0) & MASK) === 0 && !isFragmented;
    if (!isWholeText || total > mostBytes) return false;
    return isOvertakable(buffer, at + head, Math.min(end, at + total)) ?? (at + total > end ? undefined : false);
  };

  return (buffer: Buffer, start: number, end: number): number => {
    let unpassed = start;
    let at = start + Math.min(passing, end - start);
    passing -= at - start;
    // A copy: `ws` keeps the beginning of a frame until it has the rest.
    const passUntil = (place: number): void => {
      if (place > unpassed) pass(Buffer.from(buffer.subarray(unpassed, place)));
    };
    while (at < end) {
      const head = headBytes(buffer, at, end);
      if (head === 0) break;
      const total = head + payloadBytes(buffer, at);
      const verdict = mayBeTaken(buffer, at, head, total, end);
      if (verdict !== false && (verdict === undefined || at + total > end)) break;
      if (verdict) {
        passUntil(at);
        take(buffer, at + head, at + total);
        unpassed = at + total;
      } else if (((buffer[at] ?? 0) & 0x0f) < 0x8) isFragmented = ((buffer[at] ?? 0) & FIN) === 0;
      passing = Math.max(0, at + total - end);
      at = Math.min(end, at + total);
    }
    passUntil(at);
    return at;
  };
}

/** Bytes of a frame's head (RFC 6455, 5.2), with the four of a mask; 0 if it is not all there. */
function headBytes(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) return 0;
  const second = bytes[at + 1] ?? 0;
  const length = second & 0x7f;
  const head = 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & MASK) === 0 ? 0 : 4);
  return end - at < head ? 0 : head;
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & 0x7f;
  if (length === 126) return bytes.readUInt16BE(at + 2);
  return length === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : length;
}
