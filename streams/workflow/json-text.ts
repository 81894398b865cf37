const BACKSLASH = 0x5c;

/** The index of the closing quote of the string that begins at `start`; the text's length if there is none. */
export function endOfString(text: string, start: number): number {
  // Not by a regular expression, which overflows the stack on a string of megabytes.
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

/** The text with `null` for `NaN` and `Infinity`, which Python writes and JSON lacks; strings stay as they are. */
export function withoutNaN(text: string): string {
  if (!text.includes('NaN') && !text.includes('Infinity')) return text;
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
