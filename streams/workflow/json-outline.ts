import { bounds } from '../bounds';

/** A member of the outermost object, and where its value is in the text. */
export interface Member {
  readonly key: string;
  /** The value is `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** The limits of a JSON text: levels of nesting, and values in all. */
export interface Weights {
  readonly levels: number;
  readonly values: number;
  /** Fields of the outermost object. */
  readonly fields: number;
}

const heaviest: Weights = { levels: bounds.bodyLevels, values: bounds.bodyValues, fields: bounds.bodyFields };

export type Outline =
  | { readonly tag: 'members'; readonly members: readonly Member[] }
  | { readonly tag: 'beyond'; readonly bound: keyof Weights; readonly most: number };

const BACKSLASH = 0x5c;

/**
 * Counts levels, values and fields of a JSON text in one pass, and finds its outermost members; stops at the first
 * bound exceeded. So a body is checked against the bounds before `JSON.parse` builds anything of it. Does not check the
 * syntax.
 */
export function outlineOf(text: string, most: Weights = heaviest): Outline {
  const members: Member[] = [];
  let levels = 0;
  let values = 1;
  let key: string | undefined;
  let start = 0;
  let lastString = '';
  const endMember = (end: number): void => {
    if (key !== undefined) members.push({ key, ...trimmed(text, start, end) });
    key = undefined;
  };
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const from = at;
        at = endOfString(text, at);
        if (levels === 1 && key === undefined) lastString = text.slice(from, at + 1);
        break;
      }
      case 0x5b:
      case 0x7b:
        levels += 1;
        values += 1;
        if (levels > most.levels) return { tag: 'beyond', bound: 'levels', most: most.levels };
        break;
      case 0x5d:
      case 0x7d:
        if (levels === 1) endMember(at);
        levels -= 1;
        break;
      case 0x2c:
        values += 1;
        if (levels === 1) endMember(at);
        break;
      case 0x3a:
        if (levels !== 1 || key !== undefined) break;
        key = unquoted(lastString);
        start = at + 1;
    }
    if (values > most.values) return { tag: 'beyond', bound: 'values', most: most.values };
    if (members.length > most.fields) return { tag: 'beyond', bound: 'fields', most: most.fields };
  }
  return { tag: 'members', members };
}

/** The index of the closing quote, or the text's length if there is none. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

const WHITE = /\s/;
function trimmed(text: string, from: number, to: number): { readonly start: number; readonly end: number } {
  let [start, end] = [from, to];
  while (start < end && WHITE.test(text.charAt(start))) start += 1;
  while (end > start && WHITE.test(text.charAt(end - 1))) end -= 1;
  return { start, end };
}

/** The key that a JSON string stands for: it may hold escapes. */
function unquoted(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json;
  }
}
