/** Whether it has fields: an object, and no list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws a `TypeError` that names the first option that is none (R18). */
export function refuseUnknown(given: object, known: object, of = ''): void {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw new TypeError(`${of}${unknown} is no option`);
}

/** What Node's timers count to, 24.8 days: a longer time they take for 1 ms. */
export const MOST_TIMER_MS = 2 ** 31 - 1;

/** What options of one kind must be, in words that follow their name. */
export interface Kind {
  readonly isGood: (value: unknown) => boolean;
  readonly wanted: string;
}

/** The defaults, and what is given in their place; `undefined` is nothing given. Throws a `TypeError` that names what is wrong. */
export function filled<T extends object>(name: string, defaults: T, given: Partial<T> = {}, kind: Kind): T {
  if (!isRecord(given)) throw new TypeError(`${name} must be an object`);
  refuseUnknown(given, defaults, `${name}.`);
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [field, value] of said)
    if (!kind.isGood(value)) throw new TypeError(`${name}.${field} must be ${kind.wanted}`);
  return { ...defaults, ...Object.fromEntries(said) };
}
