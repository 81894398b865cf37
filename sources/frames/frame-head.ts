import { bounds } from '../../streams/bounds';

/** The frames that a newer one of the same job overtakes. */
export type Overtakable = 'progress_state' | 'progress';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** As Python's `json.dumps` writes them, and ComfyUI orders them: any other frame is read whole. */
const STATE = ascii('{"type": "progress_state", "data": {"prompt_id": "');
const STEP = ascii('{"type": "progress", "data": {"value": ');
const MAX = ascii('"max": ');
const PROMPT_ID = ascii('"prompt_id": "');
/** Where the two part: `_` or the closing quote of `progress`. */
const PARTING = 18;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Which of the two a text frame is by its first bytes, which stand from `start` on; `undefined` where it is to be read whole. */
export function overtakable(bytes: Uint8Array, start: number, end: number): Overtakable | undefined {
  const wanted = bytes[start + PARTING] === STATE[PARTING] ? STATE : STEP;
  if (end - start <= wanted.length || !isAt(bytes, start, wanted)) return undefined;
  return wanted === STATE ? 'progress_state' : 'progress';
}

/** The same of a frame of which not all is there: `undefined` where that does not tell yet. */
export function mayBeOvertakable(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end - start > STATE.length) return overtakable(bytes, start, end) !== undefined;
  return startsLike(bytes, start, end, STATE) || startsLike(bytes, start, end, STEP) ? undefined : false;
}

/** Where the job's id begins in such a frame; -1 where it is not where ComfyUI has it. */
export function promptIdStart(bytes: Uint8Array, type: Overtakable, start: number, end: number): number {
  if (type === 'progress_state') return start + STATE.length;
  const max = nextQuote(bytes, start + STEP.length, end);
  if (max + MAX.length > end || !isAt(bytes, max, MAX)) return -1;
  const id = nextQuote(bytes, max + MAX.length, end);
  return id + PROMPT_ID.length <= end && isAt(bytes, id, PROMPT_ID) ? id + PROMPT_ID.length : -1;
}

/** Where it ends; -1 where it is longer than an id may be, or is not written in plain letters. */
export function promptIdEnd(bytes: Uint8Array, start: number, end: number): number {
  const last = Math.min(end, start + bounds.nodeIdLength + 1);
  for (let at = start; at < last; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte < 0x20 || byte > 0x7e) return -1;
  }
  return -1;
}

/** Whether these bytes stand at `start`. */
export function isAt(bytes: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let n = 0; n < wanted.length; n += 1) if (bytes[start + n] !== wanted[n]) return false;
  return true;
}

function startsLike(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  for (let n = 0; start + n < end && n < wanted.length; n += 1) if (bytes[start + n] !== wanted[n]) return false;
  return true;
}

function nextQuote(bytes: Uint8Array, from: number, end: number): number {
  // Two numbers stand before the id: they are short.
  const last = Math.min(end, from + 64);
  for (let at = from; at < last; at += 1) if (bytes[at] === QUOTE) return at;
  return end;
}
