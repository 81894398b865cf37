import { bounds } from '../../streams/bounds';
import { endOfString, withoutNaN } from '../../streams/workflow/json-text';

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
    const json = withoutNaN(text);
    if (json === text) throw error;
    return JSON.parse(json) as unknown;
  }
}

/** Shorter texts are read in a few milliseconds, however deep they are. */
const SHALLOW = 16_384;

const QUOTE = 0x22;
const COMMA = 0x2c;

/** Each comma counts as a value, and each list or object: two hundred of these may stand between two commas. */
function assertNotTooMuch(text: string, mostValues: number): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x5b || code === 0x7b) {
      values += 1;
      if (++depth > bounds.jsonDepth) throw new TooMuch(`nested deeper than ${bounds.jsonDepth}`);
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    else if (code === COMMA) values += 1;
    if (values > mostValues) throw new TooMuch(`more than ${mostValues} values`);
  }
}
