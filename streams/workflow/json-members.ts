import { bounds } from '../bounds';
import { endOfString } from './json-text';

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

/** The outermost members; or why the text is refused, as the predicate of a sentence about it. */
export type Weighed =
  | { readonly tag: 'members'; readonly members: readonly Member[] }
  | { readonly tag: 'beyond'; readonly objection: string };

/** The bounds of a JSON text that is no whole body: its outermost object may have any number of fields. */
export const anyFields: Weights = { ...heaviest, fields: Infinity };

/**
 * Counts levels, values and fields of a JSON text in one pass, and finds its outermost members; stops at the first
 * bound exceeded. So a body is checked against the bounds before `JSON.parse` builds anything of it. Does not check the
 * syntax.
 */
export function membersWithin(text: string, most: Weights = heaviest): Weighed {
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
        if (levels > most.levels) return beyond(most, 'levels');
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
    if (values > most.values) return beyond(most, 'values');
    if (members.length > most.fields) return beyond(most, 'fields');
  }
  return { tag: 'members', members };
}

const beyond = (most: Weights, bound: keyof Weights): Weighed => ({
  tag: 'beyond',
  objection: `has more than ${most[bound]} ${bound}`,
});

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
