/** Characters count as Unicode has them, as in JSON Schema; in JavaScript's `length` some count twice. */
export const isWithin = (limit: number, text: string): boolean =>
  text.length <= limit || (text.length <= 2 * limit && Array.from(text).length <= limit);

/** Whether a value is text of so many characters, not empty, of which none is a control character or half a pair. */
export const isPlain = (limit: number, value: unknown): value is string =>
  typeof value === 'string' && value !== '' && isWithin(limit, value) && !/[\p{Cc}\p{Cs}]/u.test(value);

const SHOWN = 100;
/** A caller's own name for something, as far as a refusal repeats it. */
export const cut = (name: string): string => (name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);
