import { bounds } from '../../streams/bounds';

/** The types of frames that a newer frame of the same job overtakes. */
export type Overtakable = 'progress_state' | 'progress';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

/**
 * How these frames begin, as Python's `json.dumps` writes ComfyUI's fields in their order: any other frame is parsed.
 */
const STATE = ascii('{"type": "progress_state", "data": {"prompt_id": "');
const STEP = ascii('{"type": "progress", "data": {"value": ');
const MAX = ascii('"max": ');
const PROMPT_ID = ascii('"prompt_id": "');
/** The byte in which the two differ: `_` or the closing quote of `progress`. */
const PARTING = 18;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The type of a text frame by its first bytes, from `start` on; `undefined` for one that is to be parsed. */
export function overtakable(bytes: Uint8Array, start: number, end: number): Overtakable | undefined {
  const wanted = bytes[start + PARTING] === STATE[PARTING] ? STATE : STEP;
  if (end - start <= wanted.length || !isAt(bytes, start, wanted)) return undefined;
  return wanted === STATE ? 'progress_state' : 'progress';
}

/** Whether an incomplete frame is one of these; `undefined` if it has too few bytes to tell. */
export function mayBeOvertakable(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end - start > STATE.length) return overtakable(bytes, start, end) !== undefined;
  return startsLike(bytes, start, end, STATE) || startsLike(bytes, start, end, STEP) ? undefined : false;
}

/** Where the job's id begins in such a frame; -1 if it is not where ComfyUI has it. */
export function promptIdStart(bytes: Uint8Array, type: Overtakable, start: number, end: number): number {
  if (type === 'progress_state') return start + STATE.length;
  const max = nextQuote(bytes, start + STEP.length, end);
  if (max + MAX.length > end || !isAt(bytes, max, MAX)) return -1;
  const id = nextQuote(bytes, max + MAX.length, end);
  return id + PROMPT_ID.length <= end && isAt(bytes, id, PROMPT_ID) ? id + PROMPT_ID.length : -1;
}

/** Where the id ends that begins at `start`; -1 if it is longer than an id may be, or not in plain ASCII. */
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
  // 64 bytes: only two numbers stand before the id.
  const last = Math.min(end, from + 64);
  for (let at = from; at < last; at += 1) if (bytes[at] === QUOTE) return at;
  return end;
}
