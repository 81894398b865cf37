import { bounds } from '../../streams/bounds';

/** A text is nested deeper than `bounds.jsonDepth`, or has too many values: reading it would hold up the event loop. */
export class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

/**
 * Parses what Python's `json.dumps` wrote. That writes `NaN`, `Infinity` and `-Infinity`, which JSON lacks: they become
 * `null`. Throws what `JSON.parse` throws, or `TooMuch`.
 */
export function readPython(text: string, mostValues = Number.POSITIVE_INFINITY): unknown {
  if (text.length > SHALLOW) assertNotTooMuch(text, mostValues);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!text.includes('NaN') && !text.includes('Infinity')) throw error;
    return JSON.parse(withoutNonNumbers(text)) as unknown;
  }
}

/** Shorter texts are read in a few milliseconds, however deep they are. */
const SHALLOW = 16_384;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

function assertNotTooMuch(text: string, mostValues: number): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (opening.has(code) && ++depth > bounds.jsonDepth)
      throw new TooMuch(`nested deeper than ${bounds.jsonDepth}`);
    else if (closing.has(code)) depth--;
    else if (code === COMMA && ++values > mostValues) throw new TooMuch(`more than ${mostValues} values`);
  }
}

/** The text with `null` for `NaN` and `Infinity`; strings stay as they are. */
function withoutNonNumbers(text: string): string {
  const parts: string[] = [];
  let from = 0;
  const outside = /"|-?Infinity|NaN/g;
  for (let found = outside.exec(text); found !== null; found = outside.exec(text)) {
    if (found[0] === '"') outside.lastIndex = endOfString(text, found.index) + 1;
    else {
      parts.push(text.slice(from, found.index), 'null');
      from = outside.lastIndex;
    }
  }
  parts.push(text.slice(from));
  return parts.join('');
}

/** Where the string ends that begins at `start`: at the first quote after an even number of backslashes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
