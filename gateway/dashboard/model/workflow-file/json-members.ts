import { endOfString } from '../../../../streams/workflow/json-text';

/** A value's place in a text: from `from` up to `to`, `to` excluded. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Member extends Span {
  readonly key: string;
}

/** The members of the object at `at` of a valid JSON text, each with its value's place; none if there is no object. */
export function membersOf(json: string, at = 0): readonly Member[] {
  const members: Member[] = [];
  let here = afterSpace(json, at);
  if (json[here] !== '{') return members;
  here = afterSpace(json, here + 1);
  while (json[here] === '"') {
    const afterKey = afterString(json, here);
    const key = JSON.parse(json.slice(here, afterKey)) as string;
    const from = afterSpace(json, afterSpace(json, afterKey) + 1);
    const to = afterValue(json, from);
    members.push({ key, from, to });
    here = afterSpace(json, to);
    if (json[here] !== ',') break;
    here = afterSpace(json, here + 1);
  }
  return members;
}

/** Where the value that begins at `at` ends; the text's end if the value is cut off. */
export function afterValue(json: string, at: number): number {
  const first = json[at];
  if (first === '"') return afterString(json, at);
  if (first !== '{' && first !== '[') return atMatch(json, /[\s,\]}]|$/g, at);
  let depth = 0;
  for (let here = at; here < json.length;) {
    here = atMatch(json, /["{}[\]]|$/g, here);
    const mark = json[here];
    if (mark === '"') {
      here = afterString(json, here);
      continue;
    }
    here += 1;
    if (mark === '{' || mark === '[') depth += 1;
    else depth -= 1;
    if (depth === 0) return here;
  }
  return json.length;
}

const afterString = (json: string, at: number): number => Math.min(json.length, endOfString(json, at) + 1);

const afterSpace = (json: string, at: number): number => atMatch(json, /[^\s]|$/g, at);

function atMatch(json: string, pattern: RegExp, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(json)?.index ?? json.length;
}
